// Text whose changed characters arrive in motion while the others stay.
import { useEffect, useRef, useState } from "react";
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
          <Digit key={`${text.length - index}${character}`} character={character} arrives={drawn.current} />
        ))}
      </span>
    </span>
  );
}

/** Whether it arrives is decided when it is first drawn: a class that came later would move all that stay. */
function Digit({ character, arrives }: { character: string; arrives: boolean }) {
  const [className] = useState(arrives ? style.arriving : style.digit);
  return <span className={className}>{character}</span>;
}
