// A long list of rows of one height, of which only those in sight are drawn.
import type { ComponentChildren, RefObject } from "preact";
import { useEffect, useLayoutEffect, useRef, useState } from "preact/hooks";

const BEYOND = 8; // rows drawn above and below the sight

export interface VirtualProps {
  count: number;
  rowHeight: number;
  row: (index: number) => ComponentChildren;
  /** Called when the reader comes near the end. */
  onEnd: () => void;
  scroller: RefObject<HTMLDivElement | null>;
}

/** Must stand in the element that scrolls, `scroller`. */
export function Virtual({ count, rowHeight, row, onEnd, scroller }: VirtualProps) {
  const body = useRef<HTMLDivElement>(null);
  const [range, setRange] = useState<[number, number]>([0, 40]);
  const end = useRef(onEnd);
  end.current = onEnd;

  useLayoutEffect(() => {
    const box = scroller.current;
    if (!box) return;
    const look = () => {
      const above = box.scrollTop - (body.current?.offsetTop ?? 0);
      const first = Math.max(0, Math.floor(above / rowHeight) - BEYOND);
      const last = Math.ceil((above + box.clientHeight) / rowHeight) + BEYOND;
      setRange((old) => (old[0] === first && old[1] === last ? old : [first, last]));
      if (last >= count - BEYOND) end.current();
    };
    look();
    const size = new ResizeObserver(look);
    size.observe(box);
    box.addEventListener("scroll", look, { passive: true });
    return () => {
      size.disconnect();
      box.removeEventListener("scroll", look);
    };
  }, [count, rowHeight]);

  useEffect(() => {
    if (body.current) body.current.style.height = `${count * rowHeight}px`;
  }, [count, rowHeight]);

  const rows = [];
  for (let index = range[0]; index < Math.min(range[1], count); index++) rows.push(row(index));
  return (
    <div class="virtual" ref={body} role="rowgroup">
      {rows}
    </div>
  );
}
