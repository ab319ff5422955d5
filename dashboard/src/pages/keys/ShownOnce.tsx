// A newly created key: shown only here, with how to use it.
import { i18n } from "@lingui/core";
import { Button } from "@mantine/core";
import { ClientCommand } from "../../parts/ClientCommand.tsx";
import { Code } from "../../parts/Code.tsx";

export function ShownOnce({ apiKey, onDone }: { apiKey: string; onDone: () => void }) {
  return (
    <div className="stack">
      <div>
        <p style={{ marginBottom: 8 }}>{i18n._("Copy it now. It is not shown again.")}</p>
        <Code text={apiKey} label={i18n._("Your key")} />
      </div>
      <ClientCommand apiKey={apiKey} />
      <Button onClick={onDone} style={{ alignSelf: "flex-start" }}>
        {i18n._("I have copied it")}
      </Button>
    </div>
  );
}
