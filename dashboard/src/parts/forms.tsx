// Forms: the API's errors appear at their field, or above the button if they belong to none.
import type { UseFormReturnType } from "@mantine/form";
import { i18n } from "@lingui/core";
import { useState } from "react";
import { Problem } from "../api/client.ts";

/** Sends the form's values. `busy` meanwhile; `problem` is an error that belongs to no field. */
export function useSubmit<V extends Record<string, unknown>>(form: UseFormReturnType<V>, send: (values: V) => Promise<void>) {
  const [busy, setBusy] = useState(false);
  const [problem, setProblem] = useState<Problem | null>(null);
  const submit = form.onSubmit(async (values) => {
    setBusy(true);
    setProblem(null);
    try {
      await send(values);
    } catch (error) {
      const found = error instanceof Problem ? error : new Problem(0, "failed", String(error));
      const field = fieldOf(found, values);
      if (field) form.setFieldError(field, found.message);
      else setProblem(found);
    } finally {
      setBusy(false);
    }
  });
  return { busy, problem, submit };
}

/** The field that a problem is about: rules of money say "amount", the field is "amount_usd". */
function fieldOf({ param }: Problem, values: Record<string, unknown>): string | undefined {
  return [param, `${param}_usd`].find((name) => name !== null && name in values) ?? undefined;
}

/** In words, with the request id if the fault is ours. */
export function FormProblem({ problem }: { problem: Problem | null }) {
  if (problem === null) return null;
  return (
    <p role="alert" className="bad">
      {problem.status === 0 && problem.code === "unreachable" ? i18n._("The service does not respond. Try again.") : problem.message}
      {problem.status >= 500 && problem.requestId && <span className="mono"> {problem.requestId}</span>}
    </p>
  );
}
