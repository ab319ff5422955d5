// A choice of one of several things, drawn as buttons.
import type { ReactNode } from "react";
import style from "./Billing.module.css";

export function Choice({ legend, children }: { legend: string; children: ReactNode }) {
  return (
    <fieldset className={style.choice}>
      <legend className={style.legend}>{legend}</legend>
      {children}
    </fieldset>
  );
}

interface OptionProps {
  name: string;
  label: string;
  large?: boolean;
  chosen: boolean;
  choose: () => void;
}

export function Option({ name, label, large, chosen, choose }: OptionProps) {
  return (
    <label className={style.option} data-chosen={chosen}>
      <input type="radio" name={name} checked={chosen} onChange={choose} />
      <span className={large ? "figure" : undefined}>{label}</span>
    </label>
  );
}
