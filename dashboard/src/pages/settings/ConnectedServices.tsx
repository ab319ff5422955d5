// Other services that sign the user in: connected at the service itself, disconnected here.
import { i18n } from "@lingui/core";
import { Button } from "@mantine/core";
import { useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { api, ask, Problem } from "../../api/client.ts";
import { editionQuery } from "../../api/queries.ts";
import { type Column, DataTable } from "../../parts/DataTable.tsx";
import { FormProblem } from "../../parts/forms.tsx";
import { Section } from "../../parts/Page.tsx";
import { Empty } from "../../parts/States.tsx";
import { Time } from "../../parts/Time.tsx";
import { type ConnectedService, servicesQuery } from "./queries.ts";
import { RowAct } from "./SettingsPage.tsx";

/** Nothing if no service is configured and none is still connected. */
export function ConnectedServices() {
  const client = useQueryClient();
  const name = useQuery(editionQuery).data?.openid;
  const { data: all } = useQuery(servicesQuery);
  const disconnect = useMutation({
    mutationFn: (identity_id: string) => ask(api.DELETE("/api/user/identities/{identity_id}", { params: { path: { identity_id } } })),
    onSettled: () => client.invalidateQueries({ queryKey: servicesQuery.queryKey }),
  });
  if (!all || (!name && all.length === 0)) return null;
  return (
    <Section title={i18n._("Connected services")} aside={name && <Connect name={name} />}>
      <FormProblem problem={disconnect.error instanceof Problem ? disconnect.error : null} />
      {all.length === 0 ? (
        <Empty title={i18n._("Sign in with {name}", { name: name ?? "" })}>
          {i18n._("Connect it to sign in without a password. We notify you by mail.")}
        </Empty>
      ) : (
        <DataTable
          label={i18n._("Connected services")}
          rows={all}
          columns={columns((service) => disconnect.mutate(service.id))}
          rowKey={(service) => service.id}
        />
      )}
    </Section>
  );
}

function Connect({ name }: { name: string }) {
  return (
    <Button variant="default" component="a" href="/api/openid/start">
      {i18n._("Connect {name}", { name })}
    </Button>
  );
}

function columns(disconnect: (service: ConnectedService) => void): Column<ConnectedService>[] {
  return [
    {
      id: "service",
      head: i18n._("Service"),
      wide: true,
      cell: (service) => <span className="strong">{new URL(service.issuer).host}</span>,
    },
    { id: "since", head: i18n._("Connected"), narrow: "hide", cell: (service) => <Time at={service.created_at} as="moment" /> },
    { id: "end", head: "", align: "end", cell: (service) => <RowAct act={() => disconnect(service)}>{i18n._("Disconnect")}</RowAct> },
  ];
}
