// How much of something is used or reached, as a bar; the figures beside it say it in words.
import style from "./Meter.module.css";

/** `used`: from 0 to 1. `wide`: as wide as what it stands in. `calm`: full is no alarm, as it is of a limit. */
export function Meter({ used, wide = false, calm = false }: { used: number; wide?: boolean; calm?: boolean }) {
  return (
    <span className={style.meter} data-full={!calm && used >= 1} data-wide={wide}>
      <span style={{ width: `${used * 100}%` }} />
    </span>
  );
}
