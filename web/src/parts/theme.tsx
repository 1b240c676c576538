import { useState } from "preact/hooks";
import { chooseTheme, storedTheme, type Theme } from "../themes";

const THEMES: [Theme, string, string][] = [
  ["system", "As the system", "M2 3.5h12v8H2zM5.5 14h5"],
  ["light", "Light", "M8 5a3 3 0 1 0 0 6 3 3 0 0 0 0-6M8 1v1.5M8 13.5V15M1 8h1.5M13.5 8H15M3 3l1 1M12 12l1 1M3 13l1-1M12 4l1-1"],
  ["dark", "Dark", "M13.5 9.5A6 6 0 0 1 6.5 2.5a6 6 0 1 0 7 7z"],
];

export function ThemeSwitch() {
  const [theme, setTheme] = useState(storedTheme);
  return (
    <fieldset class="theme">
      <legend class="unseen">Theme</legend>
      {THEMES.map(([id, title, drawing]) => (
        <label key={id} title={title}>
          <input
            type="radio"
            name="theme"
            value={id}
            checked={theme === id}
            onChange={() => {
              chooseTheme(id);
              setTheme(id);
            }}
          />
          <svg viewBox="0 0 16 16" aria-hidden="true">
            <path d={drawing} />
          </svg>
          <span class="unseen">{title}</span>
        </label>
      ))}
    </fieldset>
  );
}
