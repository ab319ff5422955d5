// A dialog that says what will happen before it does.
import { i18n } from "@lingui/core";
import { Button, Modal } from "@mantine/core";
import { useMutation } from "@tanstack/react-query";
import { Problem } from "../api/client.ts";
import { FormProblem } from "./forms.tsx";

interface Props {
  opened: boolean;
  title: string;
  words: string; // what happens
  label: string; // of the confirming button
  keep?: string; // of the cancelling button
  act: () => Promise<unknown>;
  onClose: () => void;
}

export function Confirm({ opened, title, words, label, keep, act, onClose }: Props) {
  const done = useMutation({ mutationFn: act, onSuccess: onClose });
  return (
    <Modal opened={opened} onClose={onClose} title={title} closeButtonProps={{ "aria-label": i18n._("Close") }}>
      <div className="stack">
        <p>{words}</p>
        <FormProblem problem={done.error instanceof Problem ? done.error : null} />
        <div className="row">
          <Button color="signal" onClick={() => done.mutate()} loading={done.isPending}>
            {label}
          </Button>
          <Button variant="default" onClick={onClose} data-autofocus>
            {keep ?? i18n._("Cancel")}
          </Button>
        </div>
      </div>
    </Modal>
  );
}
