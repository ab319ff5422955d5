// What the programs share: the two tools that a model gets, as functions and as JSON schemas, and where to ask.
import { spawnSync } from "node:child_process";
import { readFileSync, writeFileSync } from "node:fs";

export const { HARBOR_URL: url, HARBOR_KEY: key, HARBOR_MODEL: model, HARBOR_DIALECT: dialect } = process.env;
export const prompt = process.env.HARBOR_PROMPT;
export const retries = Number(process.env.HARBOR_RETRIES);
export const mostTurns = 10;

function editFile({ path, old, new: changed }) {
  const parts = readFileSync(path, "utf8").split(old);
  if (parts.length !== 2) return `the text occurs ${parts.length - 1} times`;
  writeFileSync(path, parts.join(changed));
  return "replaced";
}

function runCommand({ command }) {
  const done = spawnSync(command, { shell: true, encoding: "utf8", timeout: 60_000 });
  return `${done.stdout}${done.stderr}\nexit code ${done.status}`;
}

export const tools = { edit_file: editFile, run_command: runCommand };

function schema(...names) {
  const properties = Object.fromEntries(names.map((name) => [name, { type: "string" }]));
  return { type: "object", properties, required: names, additionalProperties: false };
}

export const schemas = [
  ["edit_file", "Replace a text that occurs once in a file.", schema("path", "old", "new")],
  ["run_command", "Run a shell command in the current folder.", schema("command")],
];
