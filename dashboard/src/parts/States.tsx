// A page's states: loading, empty and failed.
import { i18n } from "@lingui/core";
import { Button } from "@mantine/core";
import { type ReactNode, useEffect, useState } from "react";
import { Problem } from "../api/client.ts";
import { CopyButton } from "./CopyButton.tsx";
import style from "./States.module.css";

const PATIENCE_MS = 300;

/** Placeholder rows, after 300 ms of nothing. */
export function Loading({ rows = 3 }: { rows?: number }) {
  const [shown, setShown] = useState(false);
  useEffect(() => {
    const timer = setTimeout(setShown, PATIENCE_MS, true);
    return () => clearTimeout(timer);
  }, []);
  return (
    <div className={style.loading} role="status" aria-label={i18n._("Loading")} data-shown={shown}>
      {Array.from({ length: rows }, (_, row) => (
        <div key={row} className={style.line} />
      ))}
    </div>
  );
}

/** An empty state: what will appear here, and one thing to do. */
export function Empty({ title, children, action }: { title: string; children?: ReactNode; action?: ReactNode }) {
  return (
    <div className={style.empty}>
      <p className="strong">{title}</p>
      {children && <p className="soft">{children}</p>}
      {action && <div className={style.action}>{action}</div>}
    </div>
  );
}

/** A failure: what failed, what to do, and the request id for the operator. */
export function ErrorState({ error, retry }: { error: unknown; retry?: () => void }) {
  const problem = error instanceof Problem ? error : null;
  return (
    <div className={style.empty} role="alert">
      <p className="strong">{title(problem)}</p>
      <p className="soft">{explain(problem, error)}</p>
      {problem?.requestId && (
        <p className="row">
          <span className="soft small">{i18n._("Request")}</span>
          <span className="mono">{problem.requestId}</span>
        </p>
      )}
      <div className={`row ${style.action}`}>
        {retry && problem?.status !== 403 && (
          <Button variant="default" onClick={retry}>
            {i18n._("Try again")}
          </Button>
        )}
        {problem?.requestId && <CopyButton text={problem.requestId} label={i18n._("Copy request ID")} />}
      </div>
    </div>
  );
}

interface Query<T> {
  data: T | undefined;
  isError: boolean;
  error: unknown;
  refetch: () => unknown;
}

/** A query's document, or its state. `rows`: about how many to expect, so that the layout does not jump. */
export function Await<T>({ query, rows, children }: { query: Query<T>; rows?: number; children: (data: T) => ReactNode }) {
  if (query.data !== undefined) return children(query.data);
  if (query.isError) return <ErrorState error={query.error} retry={() => void query.refetch()} />;
  return <Loading rows={rows} />;
}

function title(problem: Problem | null): string {
  if (problem?.status === 0) return i18n._("No connection");
  if (problem?.status === 403) return i18n._("Your role does not allow this");
  if (problem?.status === 404 || isNoId(problem)) return i18n._("Not found");
  return i18n._("Could not load this");
}

/** Whether an address has an impossible id: for the reader, nothing is there. */
function isNoId(problem: Problem | null): boolean {
  return problem?.status === 400 && problem.param?.endsWith("_id") === true;
}

function explain(problem: Problem | null, error: unknown): string {
  if (problem?.status === 0) return i18n._("The service does not respond. Your API requests and balance are not affected.");
  if (isNoId(problem)) return i18n._("Nothing found with this ID.");
  return problem?.message || (error instanceof Error ? error.message : i18n._("Something went wrong on this page."));
}
