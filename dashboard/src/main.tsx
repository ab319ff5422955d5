// The start: light or dark before anything is drawn, the words, then the pages.
import { createRoot } from "react-dom/client";
import { App } from "./app/App.tsx";
import { applyScheme } from "./app/scheme.ts";
import { activateWords, preferredLanguage } from "./app/words.ts";

applyScheme();
await activateWords(preferredLanguage());
createRoot(document.getElementById("root") as HTMLElement).render(<App />);
