// A panel at the side with an address of its own: closing it goes back to what is below.
import { i18n } from "@lingui/core";
import { Drawer as MantineDrawer } from "@mantine/core";
import { useMediaQuery } from "@mantine/hooks";
import type { ReactNode } from "react";

export function Drawer({ title, onClose, children }: { title: string; onClose: () => void; children: ReactNode }) {
  const phone = useMediaQuery("(max-width: 47.99em)");
  return (
    <MantineDrawer
      opened
      onClose={onClose}
      title={title}
      size={phone ? "100%" : 520}
      closeButtonProps={{ "aria-label": i18n._("Close") }}
    >
      {children}
    </MantineDrawer>
  );
}
