// Replaces a key by a new one with the same rules; the old one keeps working for an overlap.
import { i18n } from "@lingui/core";
import { Button, Select } from "@mantine/core";
import { useMutation, useQueryClient } from "@tanstack/react-query";
import { useNavigate, useParams } from "@tanstack/react-router";
import { useState } from "react";
import { Problem } from "../../api/client.ts";
import { Drawer } from "../../parts/Drawer.tsx";
import { FormProblem } from "../../parts/forms.tsx";
import { useScope } from "../../shell/account.tsx";
import { keysQuery, rotateKey } from "./queries.ts";
import { ShownOnce } from "./ShownOnce.tsx";

export function RotateKey() {
  const { account } = useScope();
  const { keyId } = useParams({ from: "/shell/keys/$keyId" });
  const navigate = useNavigate();
  const client = useQueryClient();
  const [hours, setHours] = useState("24");
  const rotate = useMutation({
    mutationFn: () => rotateKey(account.id, keyId, Number(hours)),
    onSuccess: () => client.invalidateQueries({ queryKey: keysQuery(account.id).queryKey }),
  });
  const close = () => void navigate({ to: "/keys/$keyId", params: { keyId: rotate.data?.id ?? keyId } });
  return (
    <Drawer title={rotate.data ? i18n._("Your new key") : i18n._("Rotate")} onClose={close} holds={rotate.isSuccess}>
      {rotate.data ? (
        <ShownOnce apiKey={rotate.data.key} onDone={close} />
      ) : (
        <div className="stack">
          <p>{i18n._("You get a new key with the same rules. The old key keeps working for a while, so that no request fails.")}</p>
          <Select
            label={i18n._("Old key works for")}
            data={overlaps()}
            value={hours}
            onChange={(chosen) => chosen && setHours(chosen)}
            allowDeselect={false}
          />
          <FormProblem problem={rotate.error instanceof Problem ? rotate.error : null} />
          <Button onClick={() => rotate.mutate()} loading={rotate.isPending} style={{ alignSelf: "flex-start" }}>
            {i18n._("Create new key")}
          </Button>
        </div>
      )}
    </Drawer>
  );
}

function overlaps() {
  return [
    { value: "0", label: i18n._("revoke now") },
    { value: "1", label: i18n._("1 hour") },
    { value: "24", label: i18n._("1 day") },
    { value: "168", label: i18n._("7 days") },
  ];
}
