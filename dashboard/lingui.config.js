// Where words are: English is the source, read from i18n._("…") in src.
import { formatter } from "@lingui/format-po";

export default {
  sourceLocale: "en",
  locales: ["en", "zh"],
  catalogs: [{ path: `${process.env.WORDS ?? "<rootDir>/src/words"}/{locale}`, include: ["src"] }],
  orderBy: "messageId",
  compileNamespace: "ts",
  format: formatter({ lineNumbers: false, origins: false }),
};
