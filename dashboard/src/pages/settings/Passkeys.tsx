// The user's passkeys, with ways to add and remove one.
import { i18n } from "@lingui/core";
import { Button } from "@mantine/core";
import { useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { Link } from "@tanstack/react-router";
import { api, ask, Problem } from "../../api/client.ts";
import { CAN_PASSKEYS } from "../../api/passkeys.ts";
import { editionQuery } from "../../api/queries.ts";
import { type Column, DataTable } from "../../parts/DataTable.tsx";
import { FormProblem } from "../../parts/forms.tsx";
import { Section } from "../../parts/Page.tsx";
import { Await, Empty } from "../../parts/States.tsx";
import { Time } from "../../parts/Time.tsx";
import { type Passkey, passkeysQuery } from "./queries.ts";
import { RowAct } from "./SettingsPage.tsx";

export function Passkeys() {
  const client = useQueryClient();
  const { data: edition } = useQuery(editionQuery);
  const passkeys = useQuery(passkeysQuery);
  const remove = useMutation({
    mutationFn: (passkey_id: string) => ask(api.DELETE("/api/user/passkeys/{passkey_id}", { params: { path: { passkey_id } } })),
    onSettled: () => client.invalidateQueries({ queryKey: passkeysQuery.queryKey }),
  });
  if (!edition?.passkeys) return null;
  return (
    <Section title={i18n._("Passkeys")} aside={CAN_PASSKEYS && <Add />}>
      <FormProblem problem={remove.error instanceof Problem ? remove.error : null} />
      <Await query={passkeys} rows={1}>
        {(all) =>
          all.length === 0 ? (
            <Empty title={i18n._("Sign in with your fingerprint, face or PIN")}>
              {i18n._("A passkey is stored on your device or in your password manager and replaces password and code.")}
            </Empty>
          ) : (
            <DataTable
              label={i18n._("Passkeys")}
              rows={all}
              columns={columns((passkey) => remove.mutate(passkey.id))}
              rowKey={(passkey) => passkey.id}
            />
          )
        }
      </Await>
    </Section>
  );
}

function Add() {
  return (
    <Button variant="default" component={Link} to="/settings/security/passkey">
      {i18n._("Add a passkey")}
    </Button>
  );
}

function columns(remove: (passkey: Passkey) => void): Column<Passkey>[] {
  return [
    { id: "name", head: i18n._("Name"), wide: true, cell: (passkey) => <span className="strong">{passkey.name}</span> },
    { id: "added", head: i18n._("Added"), narrow: "hide", cell: (passkey) => <Time at={passkey.created_at} as="moment" /> },
    { id: "used", head: i18n._("Last used"), cell: (passkey) => <Used of={passkey} /> },
    { id: "remove", head: "", align: "end", cell: (passkey) => <RowAct act={() => remove(passkey)}>{i18n._("Remove")}</RowAct> },
  ];
}

function Used({ of: passkey }: { of: Passkey }) {
  return passkey.used_at === null ? <span className="soft">{i18n._("never")}</span> : <Time at={passkey.used_at} as="moment" />;
}
