// The user's profile: name, language, e-mail address.
import { i18n } from "@lingui/core";
import { Button, Select, TextInput } from "@mantine/core";
import { useForm } from "@mantine/form";
import { Link, Outlet } from "@tanstack/react-router";
import { useState } from "react";
import { api, ask } from "../../api/client.ts";
import { chooseLanguage, followBrowser, LANGUAGES, type Language } from "../../app/words.ts";
import { FormProblem, useSubmit } from "../../parts/forms.tsx";
import { useScope } from "../../shell/account.tsx";
import style from "./Settings.module.css";
import { SettingsPage, Topic } from "./SettingsPage.tsx";
import { useKeepSession } from "./useSession.ts";

const AS_THE_BROWSER = "browser";

export function ProfilePage() {
  const { user } = useScope();
  const keep = useKeepSession();
  const [saved, setSaved] = useState(false);
  const form = useForm({
    mode: "uncontrolled",
    initialValues: { name: user.name, locale: user.locale || AS_THE_BROWSER },
    onValuesChange: () => setSaved(false),
  });
  const { busy, problem, submit } = useSubmit(form, async ({ name, locale }) => {
    const language = locale === AS_THE_BROWSER ? "" : locale;
    const changed = await ask(api.PATCH("/api/user", { body: { name, locale: language } }));
    await keep((session) => ({ ...session, user: changed }));
    setSaved(true);
    if (language !== user.locale) await (language ? chooseLanguage(language as Language) : followBrowser());
  });
  return (
    <SettingsPage title={i18n._("Profile")}>
      <form onSubmit={submit} noValidate>
        <Topic title={i18n._("Name")} lead={i18n._("Shown to your team beside your e-mail address.")}>
          <TextInput aria-label={i18n._("Name")} autoComplete="name" maw={360} key={form.key("name")} {...form.getInputProps("name")} />
        </Topic>
        <Topic title={i18n._("Language")} lead={i18n._("For these pages and the mails we send you.")}>
          <Select
            aria-label={i18n._("Language")}
            data={languages()}
            allowDeselect={false}
            maw={360}
            key={form.key("locale")}
            {...form.getInputProps("locale")}
          />
        </Topic>
        <Topic title={i18n._("E-mail")} lead={i18n._("You sign in with it and receive mails there.")}>
          <div className={style.state}>
            <p className={style.address}>{user.email}</p>
            <Button variant="default" component={Link} to="/settings/email" resetScroll={false}>
              {i18n._("Change")}
            </Button>
          </div>
        </Topic>
        <div className={style.end}>
          <FormProblem problem={problem} />
          <div className="row">
            <Button type="submit" loading={busy}>
              {i18n._("Save")}
            </Button>
            <span role="status" className="good">
              {saved && i18n._("Saved")}
            </span>
          </div>
        </div>
      </form>
      <Outlet />
    </SettingsPage>
  );
}

function languages() {
  const known = Object.entries(LANGUAGES).map(([value, label]) => ({ value, label }));
  return [{ value: AS_THE_BROWSER, label: i18n._("Same as browser") }, ...known];
}
