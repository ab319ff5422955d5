// Recovery codes: shown only here, to be copied or saved as a file.
import { i18n } from "@lingui/core";
import { Button } from "@mantine/core";
import type { ReactNode } from "react";
import { CopyButton } from "../../parts/CopyButton.tsx";
import style from "./Settings.module.css";

interface RecoveryCodesProps {
  codes: readonly string[];
  onDone: () => void;
  children: ReactNode; // a sentence about what just happened
}

export function RecoveryCodes({ codes, onDone, children }: RecoveryCodesProps) {
  const text = codes.join("\n");
  return (
    <div className="stack">
      <p>
        {children}{" "}
        {i18n._("If you lose the app, sign in with one of these codes instead. Each works once. Store them away from your phone. They are not shown again.")}
      </p>
      <ol className={`mono ${style.codes}`} aria-label={i18n._("Recovery codes")}>
        {codes.map((code) => (
          <li key={code}>{code}</li>
        ))}
      </ol>
      <div className="row">
        <CopyButton text={text} label={i18n._("Copy all")} />
        <Button variant="default" component="a" download="recovery-codes.txt" href={`data:text/plain,${encodeURIComponent(text)}`}>
          {i18n._("Download as a file")}
        </Button>
      </div>
      <Button onClick={onDone} className={style.start}>
        {i18n._("I have saved them")}
      </Button>
    </div>
  );
}
