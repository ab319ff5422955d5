// A side panel with its own address: closing it returns to the page below.
import { i18n } from "@lingui/core";
import { Drawer as MantineDrawer } from "@mantine/core";
import { useMediaQuery } from "@mantine/hooks";
import { type ReactNode, useEffect, useState } from "react";

interface Props {
  title: string;
  onClose: () => void;
  holds?: boolean; // shows something only once: a tap outside does not close it
  children: ReactNode;
}

export function Drawer({ title, onClose, holds, children }: Props) {
  const phone = useMediaQuery("(max-width: 47.99em)");
  useFocusBack();
  return (
    <MantineDrawer
      opened
      onClose={onClose}
      title={title}
      closeOnClickOutside={!holds}
      closeOnEscape={!holds}
      size={phone ? "100%" : 520}
      closeButtonProps={{ "aria-label": i18n._("Close") }}
    >
      {children}
    </MantineDrawer>
  );
}

/** Returns the focus on closing. Mantine does that only for panels that stay mounted; these unmount with their address. */
function useFocusBack(): void {
  const [before] = useState(() => document.activeElement);
  useEffect(
    () => () => {
      if (before instanceof HTMLElement && before.isConnected && document.activeElement === document.body) before.focus();
    },
    [before],
  );
}
