// How Vite builds the pages, and serves them while one works on them: API=http://127.0.0.1:8080 npx vite
import { copyFileSync, mkdirSync, readFileSync } from "node:fs";

const FACES = ["bricolage-grotesque", "instrument-sans"];

/** The faces are shipped, so their licences are. */
const licences = {
  name: "licences",
  writeBundle({ dir }) {
    mkdirSync(`${dir}/licences`, { recursive: true });
    for (const face of FACES) copyFileSync(`node_modules/@fontsource-variable/${face}/LICENSE`, `${dir}/licences/${face}.txt`);
  },
};

const SYSTEM_DARK = "virtual:system-dark.css";
const DARK = /:root\[data-mantine-color-scheme="dark"\]( \{[^}]*\})/;

/** The dark tokens once more, for pages without the script that knows what was chosen: as the system says. */
const systemDark = {
  name: "system-dark",
  resolveId: (id) => (id === SYSTEM_DARK ? `/${id}` : null),
  load(id) {
    if (id !== `/${SYSTEM_DARK}`) return null;
    const [, tokens] = DARK.exec(readFileSync(`${import.meta.dirname}/src/style/tokens.css`, "utf8"));
    return `@media (prefers-color-scheme: dark) { :root:not([data-mantine-color-scheme])${tokens} }`;
  },
};

export default {
  root: import.meta.dirname,
  base: "/dashboard/",
  plugins: [licences, systemDark],
  build: {
    outDir: "dist.new",
    target: "es2022",
    rollupOptions: { input: ["index.html", "src/site/site.ts"] }, // the dashboard; what pages that the console renders load
    manifest: "manifest.json", // which chunks each page needs: checks/size.js reads it
    modulePreload: { polyfill: false },
    assetsInlineLimit: 0, // nothing in data: addresses
    chunkSizeWarningLimit: 400,
  },
  server: { proxy: { "/api": process.env.API ?? "http://127.0.0.1:8080" } },
};
