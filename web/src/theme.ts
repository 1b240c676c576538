// Runs before the first paint, so that a page in the dark never flashes white.
import { applyTheme, storedTheme } from "./themes";

applyTheme(storedTheme());
