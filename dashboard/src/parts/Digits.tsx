// Text whose changed characters arrive in motion while the others stay.
import { useEffect, useRef } from "react";
import style from "./Digits.module.css";

/** A screen reader gets the text as a whole. Nothing moves when it is first drawn. */
export function Digits({ text }: { text: string }) {
  const drawn = useRef(false);
  useEffect(() => {
    drawn.current = true;
  }, []);
  return (
    <span className={style.digits}>
      <span className={style.whole}>{text}</span>
      <span aria-hidden="true">
        {[...text].map((character, index) => (
          <span key={`${text.length - index}${character}`} className={drawn.current ? style.arriving : style.digit}>
            {character}
          </span>
        ))}
      </span>
    </span>
  );
}
