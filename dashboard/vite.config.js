// How Vite builds the pages, and serves them while one works on them: API=http://127.0.0.1:8080 npx vite
import { copyFileSync, mkdirSync } from "node:fs";

const FACES = ["bricolage-grotesque", "instrument-sans"];

/** The faces are shipped, so their licences are. */
const licences = {
  name: "licences",
  writeBundle({ dir }) {
    mkdirSync(`${dir}/licences`, { recursive: true });
    for (const face of FACES) copyFileSync(`node_modules/@fontsource-variable/${face}/LICENSE`, `${dir}/licences/${face}.txt`);
  },
};

export default {
  root: import.meta.dirname,
  base: "/dashboard/",
  plugins: [licences],
  build: {
    outDir: "dist.new",
    target: "es2022",
    manifest: "manifest.json", // which chunks each page needs: checks/size.js reads it
    modulePreload: { polyfill: false },
    assetsInlineLimit: 0, // nothing in data: addresses
    chunkSizeWarningLimit: 400,
  },
  server: { proxy: { "/api": process.env.API ?? "http://127.0.0.1:8080" } },
};
