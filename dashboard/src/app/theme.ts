// Mantine in the tokens of design.md: its variables point at ours.
import { createTheme, type CSSVariablesResolver, type MantineColorsTuple } from "@mantine/core";

const harbour = Array(10).fill("var(--harbour)") as unknown as MantineColorsTuple;
const signal = Array(10).fill("var(--signal)") as unknown as MantineColorsTuple;

export const theme = createTheme({
  colors: { harbour, signal },
  primaryColor: "harbour",
  fontFamily: "var(--text)",
  fontFamilyMonospace: "var(--mono)",
  headings: { fontFamily: "var(--display)" },
  defaultRadius: "var(--round)",
  cursorType: "pointer",
  respectReducedMotion: true,
  components: {
    Button: { defaultProps: { size: "small" } },
    Drawer: { defaultProps: { position: "right", transitionProps: { duration: 160 } } },
    Modal: { defaultProps: { transitionProps: { duration: 120 }, centered: true } },
    Menu: { defaultProps: { shadow: "none", transitionProps: { duration: 120 } } },
    Tooltip: { defaultProps: { openDelay: 200, events: { hover: true, focus: true, touch: true } } },
    Switch: { defaultProps: { withThumbIndicator: false } },
  },
});

export const cssVariablesResolver: CSSVariablesResolver = () => {
  const both = Object.fromEntries(["harbour", "signal"].flatMap(filled));
  return {
    variables: {
      "--mantine-line-height": "20px",
      "--mantine-font-size-sm": "var(--size-2)",
      "--button-height-small": "32px",
      "--button-padding-x-small": "14px",
      "--mantine-font-size-small": "var(--size-2)",
      "--input-height-sm": "36px",
    },
    light: { ...shared, ...both },
    dark: { ...shared, ...both },
  };
};

const shared = {
  "--mantine-color-body": "var(--paper)",
  "--mantine-color-text": "var(--ink)",
  "--mantine-color-dimmed": "var(--soft)",
  "--mantine-color-bright": "var(--ink)",
  "--mantine-color-placeholder": "var(--soft)",
  "--mantine-color-anchor": "var(--harbour)",
  "--mantine-color-error": "var(--signal)",
  "--mantine-color-default": "var(--paper)",
  "--mantine-color-default-hover": "var(--wash)",
  "--mantine-color-default-color": "var(--ink)",
  "--mantine-color-default-border": "var(--edge)",
  "--mantine-color-disabled": "var(--harbour-4)",
  "--mantine-color-disabled-color": "var(--soft)",
  "--mantine-primary-color-contrast": "var(--paper)",
};

function filled(name: string): [string, string][] {
  const own = `var(--${name})`;
  const prefix = `--mantine-color-${name}`;
  return [
    [`${prefix}-filled`, own],
    [`${prefix}-filled-hover`, `color-mix(in srgb, ${own} 88%, var(--paper))`],
    [`${prefix}-contrast`, "var(--paper)"],
    [`${prefix}-light`, "var(--harbour-4)"],
    [`${prefix}-light-hover`, "var(--harbour-4)"],
    [`${prefix}-light-color`, own],
    [`${prefix}-outline`, own],
    [`${prefix}-text`, own],
  ];
}
