// Builds the page into the package: `node build.mjs [folder]`. The same sources and lock file give the same bytes.
import { build } from "esbuild";
import { copyFile, mkdir } from "node:fs/promises";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

const here = dirname(fileURLToPath(import.meta.url));
const out = process.argv[2] ?? join(here, "..", "spanledger", "api", "page");

await mkdir(out, { recursive: true });
await build({
  absWorkingDir: here,
  entryPoints: { app: "src/main.tsx", theme: "src/theme.ts", style: "src/style/style.css" },
  outdir: out,
  bundle: true,
  minify: true,
  charset: "utf8",
  format: "iife",
  jsx: "automatic",
  jsxImportSource: "preact",
  legalComments: "inline",
  logLevel: "warning",
  // The first that know light-dark() in CSS.
  target: ["chrome123", "firefox120", "safari17.5"],
});
for (const file of ["index.html", "icon.svg"]) await copyFile(join(here, "src", file), join(out, file));
