// A command for the first request with a key, by client.
import { i18n } from "@lingui/core";
import { Select } from "@mantine/core";
import { useQuery } from "@tanstack/react-query";
import { useState } from "react";
import { firstModel } from "../api/models.ts";
import { Code } from "./Code.tsx";
import { COMMANDS } from "./commands.ts";

const NOT_SHOWN = "$TOKENHARBOR_KEY"; // stands for a key that was shown elsewhere

export function ClientCommand({ apiKey }: { apiKey: string | null }) {
  const [chosen, setChosen] = useState("curl");
  const { data: model = "MODEL" } = useQuery({
    queryKey: ["first-model", apiKey],
    queryFn: () => firstModel(apiKey),
  });
  const command = COMMANDS.find((each) => each.id === chosen);
  return (
    <div style={{ width: "100%" }}>
      <Select
        label={i18n._("Your client")}
        data={COMMANDS.map(({ id, name }) => ({ value: id, label: name }))}
        value={chosen}
        onChange={(id) => id && setChosen(id)}
        allowDeselect={false}
        maw={240}
        mb={8}
      />
      {command && <Code text={command.text({ origin: location.origin, key: apiKey ?? NOT_SHOWN, model })} label={command.name} />}
    </div>
  );
}
