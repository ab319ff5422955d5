// Text to copy, exactly as shown.
import { CopyButton } from "./CopyButton.tsx";
import style from "./Code.module.css";

export function Code({ text, label }: { text: string; label: string }) {
  return (
    <div className={style.code}>
      <pre tabIndex={0} aria-label={label} role="group">
        {text}
      </pre>
      <CopyButton text={text} />
    </div>
  );
}
