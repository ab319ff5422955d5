// The few signs of the navigation, drawn on a grid of 16.
const PATHS = {
  home: "M2.5 7.5 8 3l5.5 4.5V13h-11z",
  usage: "M2.5 13V8M6.2 13V4M9.8 13V9.5M13.5 13V6",
  billing: "M2 4.5h12v8H2zM2 7.5h12",
  keys: "M10 9a3 3 0 1 0-2.8-2L2.5 11.7V13.5H5V12h1.5v-1.5L8 9",
  models: "M8 2l5.5 3v6L8 14l-5.5-3V5zM2.5 5 8 8l5.5-3M8 8v6",
  rewards: "M2.5 7h11v6.5h-11zM2 4.5h12V7H2zM8 4.5v9M8 4.5C6.5 4.5 4.5 3.8 5 2.7c.6-1 2.5-.2 3 1.8.5-2 2.4-2.8 3-1.8.5 1.1-1.5 1.8-3 1.8",
  settings: "M2 5h6.5M12 5h2M2 11h2M7.5 11H14M10.2 3.3a1.7 1.7 0 1 0 .01 0M5.7 9.3a1.7 1.7 0 1 0 .01 0",
  find: "M7 2.5a4.5 4.5 0 1 0 .01 0M10.3 10.3 13.5 13.5",
  more: "M3.5 8h.01M8 8h.01M12.5 8h.01",
  down: "M4.5 6.5 8 10l3.5-3.5",
} as const;

export type IconName = keyof typeof PATHS;

export function Icon({ name }: { name: IconName }) {
  return (
    <svg
      viewBox="0 0 16 16"
      width="16"
      height="16"
      fill="none"
      stroke="currentColor"
      strokeWidth={name === "more" ? 2.5 : 1.5}
      strokeLinecap="round"
      strokeLinejoin="round"
      aria-hidden="true"
    >
      <path d={PATHS[name]} />
    </svg>
  );
}

export function Mark() {
  return (
    <svg viewBox="0 0 24 24" width="22" height="22" fill="none" stroke="var(--harbour)" strokeWidth="2.2" strokeLinecap="round" aria-hidden="true">
      <path d="M12 5v14M8 8.5h8M4 13.5c0 4 4 6 8 6s8-2 8-6" />
      <circle cx="12" cy="3.5" r="1.4" />
    </svg>
  );
}
