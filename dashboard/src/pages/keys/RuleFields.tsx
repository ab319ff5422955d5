// The fields of a key's rules: for a new key and for one that is changed.
import { i18n } from "@lingui/core";
import { Select, TextInput } from "@mantine/core";
import type { UseFormReturnType } from "@mantine/form";
import type { ReactNode } from "react";
import { unlimited } from "./describe.ts";
import style from "./Keys.module.css";
import { AS_IT_IS, type RuleValues } from "./rules.ts";

type Form = UseFormReturnType<RuleValues>;

/** `until`: the key's current expiry, in words. */
export function RuleFields({ form, until }: { form: Form; until?: string | undefined }) {
  return (
    <>
      <TextInput label={i18n._("Name")} autoComplete="off" key={form.key("name")} {...form.getInputProps("name")} />
      <TextInput
        label={i18n._("Label")}
        description={i18n._("A project or a team. Usage is grouped by label.")}
        autoComplete="off"
        key={form.key("label")}
        {...form.getInputProps("label")}
      />
      <SpendingFields form={form} />
      <EndsField form={form} until={until} />
      <details className={style.more} open={hasMore(form.getValues())}>
        <summary>{i18n._("Rates and restrictions")}</summary>
        <div className="stack">
          <div className={style.three}>
            <Count label={i18n._("Requests a minute")} form={form} field="rpm" />
            <Count label={i18n._("Tokens a minute")} form={form} field="tpm" />
            <Count label={i18n._("Concurrent requests")} form={form} field="concurrency" />
          </div>
          <Names label={i18n._("Allowed models")} form={form} field="models" />
          <Names label={i18n._("Allowed providers")} form={form} field="providers" />
          <Names label={i18n._("Blocked providers")} form={form} field="deny_providers" />
          <Names label={i18n._("Allowed addresses")} form={form} field="ip" example="203.0.113.0/24" />
        </div>
      </details>
    </>
  );
}

export function SpendingFields({ form }: { form: Form }) {
  return (
    <Group title={i18n._("Spending")} lead={i18n._("Empty or 0: {unlimited}.", { unlimited: lowered(unlimited()) })}>
      <div className={style.three}>
        <Amount label={i18n._("Total")} form={form} field="quota_usd" />
        <Amount label={i18n._("Monthly limit")} form={form} field="monthly_usd" />
        <Amount label={i18n._("Daily limit")} form={form} field="daily_usd" />
      </div>
    </Group>
  );
}

export function EndsField({ form, until }: { form: Form; until?: string | undefined }) {
  return <Select label={i18n._("Expires")} data={ends(until)} allowDeselect={false} key={form.key("expires_at")} {...form.getInputProps("expires_at")} />;
}

function Group({ title, lead, children }: { title: string; lead: string; children: ReactNode }) {
  return (
    <fieldset className={style.group}>
      <legend>{title}</legend>
      <p className="soft small">{lead}</p>
      {children}
    </fieldset>
  );
}

interface FieldProps {
  label: string;
  form: Form;
  field: keyof RuleValues;
}

function Amount({ label, form, field }: FieldProps) {
  return <TextInput label={label} leftSection="$" inputMode="decimal" autoComplete="off" key={form.key(field)} {...form.getInputProps(field)} />;
}

function Count({ label, form, field }: FieldProps) {
  return <TextInput label={label} inputMode="numeric" autoComplete="off" key={form.key(field)} {...form.getInputProps(field)} />;
}

function Names({ label, form, field, example }: FieldProps & { example?: string }) {
  return (
    <TextInput
      label={label}
      description={i18n._("Comma-separated. Leave empty for all.")}
      placeholder={example}
      autoComplete="off"
      spellCheck={false}
      key={form.key(field)} {...form.getInputProps(field)}
    />
  );
}

function ends(until: string | undefined) {
  const days = (count: number) => ({
    value: String(count),
    label: i18n._("in {count, plural, one {# day} other {# days}}", { count }),
  });
  const now = until === undefined ? [] : [{ value: AS_IT_IS, label: until }];
  return [...now, { value: "", label: i18n._("never") }, ...[1, 7, 30, 90, 365].map(days)];
}

function hasMore(values: RuleValues): boolean {
  return [values.rpm, values.tpm, values.concurrency, values.models, values.providers, values.deny_providers, values.ip].some(Boolean);
}

function lowered(words: string): string {
  return words.charAt(0).toLowerCase() + words.slice(1);
}
