// Text whose changed characters fade in while the others stay.
import style from "./Digits.module.css";

/** A screen reader gets the text as a whole. */
export function Digits({ text }: { text: string }) {
  return (
    <span className={style.digits}>
      <span className={style.whole}>{text}</span>
      <span aria-hidden="true">
        {[...text].map((character, index) => (
          <span key={`${text.length - index}${character}`} className={style.digit}>
            {character}
          </span>
        ))}
      </span>
    </span>
  );
}
