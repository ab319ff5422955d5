// Filters of the list of requests. They are in the page's address, so that a link keeps them.
import { i18n } from "@lingui/core";
import { Select } from "@mantine/core";
import { useQuery } from "@tanstack/react-query";
import { useNavigate } from "@tanstack/react-router";
import { stageName } from "../../parts/requests.ts";
import { useScope } from "../../shell/account.tsx";
import { useKeyNames } from "./keyNames.ts";
import { choicesQuery, type RequestFilter } from "./queries.ts";
import style from "./Usage.module.css";

export function Filters({ filter }: { filter: RequestFilter }) {
  const { account } = useScope();
  const navigate = useNavigate({ from: "/usage/requests" });
  const names = useKeyNames();
  const { data: choices } = useQuery(choicesQuery(account.id));
  const set = (change: { [name in keyof RequestFilter]: string | null }) =>
    void navigate({ search: withoutNothing({ ...filter, ...change }), replace: true });
  return (
    <div className={style.filters}>
      <Filter
        label={i18n._("All models")}
        value={filter.model}
        options={plain(choices?.models, filter.model)}
        onChange={(model) => set({ model })}
      />
      <Filter
        label={i18n._("All providers")}
        value={filter.provider}
        options={plain(choices?.providers, filter.provider)}
        onChange={(provider) => set({ provider })}
      />
      <Filter
        label={i18n._("All keys")}
        value={filter.key}
        options={plain(choices?.keys, filter.key).map(({ value }) => ({ value, label: names(value) }))}
        onChange={(key) => set({ key })}
      />
      {(filter.stage || (choices && choices.stages.length > 0)) && (
        <Filter
          label={i18n._("All stages")}
          value={filter.stage}
          options={plain(choices?.stages, filter.stage).map(({ value }) => ({ value, label: stageName(value) }))}
          onChange={(stage) => set({ stage })}
        />
      )}
      <Filter label={i18n._("All caches")} value={filter.cache} options={layers()} onChange={(cache) => set({ cache })} />
      <Filter label={i18n._("All results")} value={filter.status} options={statuses()} onChange={(status) => set({ status })} />
    </div>
  );
}

interface Option {
  value: string;
  label: string;
}

interface FilterProps {
  label: string;
  value: string | undefined;
  options: readonly Option[];
  onChange: (value: string | null) => void;
}

function Filter({ label, value, options, onChange }: FilterProps) {
  return (
    <div>
      <Select
        aria-label={label}
        placeholder={label}
        data={options}
        value={value ?? null}
        onChange={onChange}
        searchable={options.length > 8}
        clearable
        nothingFoundMessage={i18n._("No matches")}
      />
    </div>
  );
}

function layers(): Option[] {
  return [
    { value: "exact", label: i18n._("exact cache") },
    { value: "semantic", label: i18n._("similar request") },
    { value: "prefix", label: i18n._("vendor cache") },
  ];
}

function statuses(): Option[] {
  return [
    { value: "complete", label: i18n._("complete") },
    { value: "hung_up", label: i18n._("client disconnected") },
    { value: "failed", label: i18n._("failed") },
    { value: "refused", label: i18n._("refused") },
  ];
}

/** Recently used values, and the one in the address. */
function plain(values: readonly string[] = [], chosen?: string): Option[] {
  const all = chosen && !values.includes(chosen) ? [...values, chosen] : values;
  return all.map((value) => ({ value, label: value }));
}

function withoutNothing(filter: Record<string, string | null | undefined>): RequestFilter {
  return Object.fromEntries(Object.entries(filter).filter(([, value]) => value)) as RequestFilter;
}
