// Copies text, and confirms it.
import { i18n } from "@lingui/core";
import { Button } from "@mantine/core";
import { useClipboard } from "@mantine/hooks";

export function CopyButton({ text, label }: { text: string; label?: string }) {
  const clipboard = useClipboard({ timeout: 1500 });
  return (
    <Button variant="default" onClick={() => clipboard.copy(text)} aria-live="polite">
      {clipboard.copied ? i18n._("Copied") : (label ?? i18n._("Copy"))}
    </Button>
  );
}
