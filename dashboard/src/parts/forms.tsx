// Forms: what the API refuses is said at its field; what belongs to no field stands above the button.
import type { UseFormReturnType } from "@mantine/form";
import { useState } from "react";
import { Problem } from "../api/client.ts";

/** Sends the form's values. `busy` while it does; `problem` is what no field could say. */
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
      if (found.param !== null && found.param in values) form.setFieldError(found.param, found.message);
      else setProblem(found);
    } finally {
      setBusy(false);
    }
  });
  return { busy, problem, submit };
}

/** In words, with the request's id if the fault is ours. */
export function FormProblem({ problem }: { problem: Problem | null }) {
  if (problem === null) return null;
  return (
    <p role="alert" className="bad">
      {problem.message}
      {problem.status >= 500 && problem.requestId && <span className="mono"> {problem.requestId}</span>}
    </p>
  );
}
