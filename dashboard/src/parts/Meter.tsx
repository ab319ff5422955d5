// A bar that shows how much of something is used; figures beside it say the same.
import style from "./Meter.module.css";

/** `used`: from 0 to 1. `wide`: fills its container. `calm`: full is no alarm, unlike with a limit. */
export function Meter({ used, wide = false, calm = false }: { used: number; wide?: boolean; calm?: boolean }) {
  return (
    <span className={style.meter} data-full={!calm && used >= 1} data-wide={wide}>
      <span style={{ width: `${used * 100}%` }} />
    </span>
  );
}
