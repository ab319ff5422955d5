// Builds dist.new: the pages, and beside each file its gzip and brotli forms. scripts/dashboard.sh puts it in its place.
import { readdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { promisify } from "node:util";
import { brotliCompress, constants, gzip } from "node:zlib";
import { build } from "vite";
import settings from "./vite.config.js";

const COMPRESSIBLE = /\.(js|css|svg)$/; // not index.html: each answer has a nonce of its own

await build({ ...settings, configFile: false, logLevel: "error" });
const { outDir } = settings.build;
const files = (await readdir(outDir, { recursive: true })).filter((name) => COMPRESSIBLE.test(name));
await Promise.all(files.map((name) => compress(join(outDir, name))));

async function compress(path) {
  const bytes = await readFile(path);
  const brotli = { params: { [constants.BROTLI_PARAM_QUALITY]: 11, [constants.BROTLI_PARAM_SIZE_HINT]: bytes.length } };
  await Promise.all([
    promisify(gzip)(bytes, { level: 9 }).then((short) => writeFile(`${path}.gz`, short)),
    promisify(brotliCompress)(bytes, brotli).then((short) => writeFile(`${path}.br`, short)),
  ]);
}
