// Claims the welcome grant.
import { i18n } from "@lingui/core";
import { Button } from "@mantine/core";
import { useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { api, ask, type Documents, Problem } from "../api/client.ts";
import { editionQuery } from "../api/queries.ts";
import { toDigits } from "./amounts.ts";
import { FormProblem } from "./forms.tsx";
import { useScope } from "../shell/account.tsx";

/** `aside`: the page has another primary action. */
export function Claim({ welcome, aside = false }: { welcome: Documents["WelcomeDocument"]; aside?: boolean }) {
  const { account } = useScope();
  const client = useQueryClient();
  const { data: edition } = useQuery(editionQuery);
  const claim = useMutation({
    mutationFn: () => ask(api.POST("/api/accounts/{account_id}/rewards/welcome-grant", { params: { path: { account_id: account.id } } })),
    onSuccess: () => client.invalidateQueries({ queryKey: ["account", account.id] }),
  });
  const amount = toDigits(welcome.usd);
  return (
    <>
      {edition && (
        <p className="soft">
          {i18n._("Yours for {days, plural, one {# day} other {# days}}, no card.", { days: edition.welcome_days })}
        </p>
      )}
      <FormProblem problem={claim.error instanceof Problem ? claim.error : null} />
      <Button variant={aside ? "default" : "filled"} onClick={() => claim.mutate()} loading={claim.isPending} mt={8}>
        {i18n._("Claim {amount}", { amount })}
      </Button>
    </>
  );
}
