// Lines over time, drawn by uPlot.
import { useEffect, useLayoutEffect, useRef } from "preact/hooks";
import uPlot from "uplot";

export interface Line {
  name: string;
  values: (number | null)[];
}

export interface ChartProps {
  title: string;
  /** Seconds since the epoch. */
  times: number[];
  lines: Line[];
  format: (value: number) => string;
  /** Whether the area below is tinted: for amounts, not for levels. */
  amount?: boolean;
}

const HEIGHT = 190;
const COLOURS = ["--accent", "--violet", "--warm", "--blue", "--bad", "--soft"];

/** Nothing where nothing is known. */
export function Chart(props: ChartProps) {
  const known = props.lines.some((line) => line.values.some((value) => value !== null));
  return known ? <Plot {...props} /> : null;
}

function Plot(props: ChartProps) {
  const box = useRef<HTMLDivElement>(null);
  const plot = useRef<uPlot | null>(null);
  const shape = props.lines.map((line) => line.name).join("\n");

  useLayoutEffect(() => {
    const draw = () => {
      plot.current?.destroy();
      plot.current = box.current ? new uPlot(options(props, box.current), data(props), box.current) : null;
    };
    draw();
    const dark = matchMedia("(prefers-color-scheme: dark)");
    addEventListener("themechange", draw);
    dark.addEventListener("change", draw);
    const size = new ResizeObserver(() => {
      if (box.current) plot.current?.setSize({ width: box.current.clientWidth, height: HEIGHT });
    });
    if (box.current) size.observe(box.current);
    return () => {
      removeEventListener("themechange", draw);
      dark.removeEventListener("change", draw);
      size.disconnect();
      plot.current?.destroy();
      plot.current = null;
    };
  }, [shape, props.title]);
  useEffect(() => plot.current?.setData(data(props)), [props.times, props.lines]);

  return (
    <figure class="chart">
      <figcaption>{props.title}</figcaption>
      <div ref={box} />
    </figure>
  );
}

function data({ times, lines }: ChartProps): uPlot.AlignedData {
  return [times, ...lines.map((line) => line.values)];
}

function options({ lines, format, amount }: ChartProps, box: HTMLElement): uPlot.Options {
  const ink = colour(box, "--soft");
  const grid = { stroke: colour(box, "--line"), width: 1 };
  const font = `11.5px ${getComputedStyle(box).fontFamily}`;
  const shown = (value: number | null) => (value === null ? "–" : format(value));
  return {
    width: box.clientWidth,
    height: HEIGHT,
    padding: [8, 8, 0, 0],
    cursor: { y: false, points: { size: 7 } },
    scales: { y: { range: (_plot, _low, high) => [0, high > 0 ? high * 1.08 : 1] } },
    axes: [
      { stroke: ink, grid: { show: false }, ticks: { show: false }, font, size: 28, space: 70, values: times },
      {
        stroke: ink,
        grid,
        ticks: { show: false },
        font,
        size: 62,
        space: 42,
        values: (_plot, splits) => splits.map((value) => (value === 0 ? "0" : format(value))),
      },
    ],
    series: [
      { label: "Time", value: (_plot, at) => (at === null ? "" : moment.format(new Date(at * 1000))) },
      ...lines.map((line, index): uPlot.Series => {
        const stroke = colour(box, COLOURS[index % COLOURS.length]!);
        const fill = amount && lines.length === 1 ? { fill: `color-mix(in srgb, ${stroke} 12%, transparent)` } : {};
        return {
          label: line.name,
          stroke,
          ...fill,
          width: 1.6,
          spanGaps: false,
          points: { show: true, size: 4, fill: stroke, filter: (plot, at) => alone(plot.data[at]!) },
          value: (_plot, value) => shown(value),
        };
      }),
    ],
  };
}

/** Places of values without a neighbour, which no line shows. */
function alone(values: ArrayLike<number | null | undefined>): number[] {
  const known = (place: number) => values[place] !== null && values[place] !== undefined;
  return Array.from({ length: values.length }, (_, place) => place).filter(
    (place) => known(place) && !known(place - 1) && !known(place + 1),
  );
}

const moment = new Intl.DateTimeFormat("en-GB", { day: "numeric", month: "short", hour: "2-digit", minute: "2-digit" });
const hour = new Intl.DateTimeFormat("en-GB", { hour: "2-digit", minute: "2-digit" });
const day = new Intl.DateTimeFormat("en-GB", { day: "numeric", month: "short" });

function times(_plot: uPlot, splits: number[], _axis: number, _space: number, step: number): string[] {
  return splits.map((at) => {
    const date = new Date(at * 1000);
    const midnight = date.getHours() === 0 && date.getMinutes() === 0;
    return (step < 86_400 && !midnight ? hour : day).format(date);
  });
}

/** A colour of the theme in use as a canvas understands it. */
function colour(box: HTMLElement, name: string): string {
  const probe = document.createElement("span");
  probe.style.color = `var(${name})`;
  box.append(probe);
  const found = getComputedStyle(probe).color;
  probe.remove();
  return found;
}
