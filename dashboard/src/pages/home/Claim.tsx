// Claims the welcome grant.
import { i18n } from "@lingui/core";
import { Button } from "@mantine/core";
import { useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { type Documents, Problem } from "../../api/client.ts";
import { editionQuery } from "../../api/queries.ts";
import { toDigits } from "../../parts/amounts.ts";
import { FormProblem } from "../../parts/forms.tsx";
import { useScope } from "../../shell/account.tsx";
import { claimWelcome } from "./queries.ts";

export function Claim({ welcome }: { welcome: Documents["WelcomeDocument"] }) {
  const { account } = useScope();
  const client = useQueryClient();
  const { data: edition } = useQuery(editionQuery);
  const claim = useMutation({
    mutationFn: () => claimWelcome(account.id),
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
      <Button onClick={() => claim.mutate()} loading={claim.isPending} mt={8}>
        {i18n._("Claim {amount}", { amount })}
      </Button>
    </>
  );
}
