// Text that animates only its changed characters.
import { useEffect, useRef, useState } from "react";
import style from "./Digits.module.css";

/** A screen reader gets the whole text. Nothing moves at first drawing. */
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

/** Decided at first drawing: a class added later would animate the characters that stay. */
function Digit({ character, arrives }: { character: string; arrives: boolean }) {
  const [className] = useState(arrives ? style.arriving : style.digit);
  return <span className={className}>{character}</span>;
}
