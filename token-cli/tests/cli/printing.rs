//! Every format, with and without a query, as Azure CLI prints it.

use std::io::Read as _;
use std::os::unix::process::CommandExt as _;

use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use token_testkit::RunningIssuer;

use crate::desk::{Desk, Said, willing_issuer};

/// Ada at her desk, signed in.
fn ada() -> (RunningIssuer, Desk) {
    let issuer = willing_issuer();
    let desk = Desk::new(&issuer);
    assert_eq!(desk.run("login").code, Some(0));
    (issuer, desk)
}

/// What is printed under the name of Azure CLI.
fn az(desk: &Desk, line: &str) -> String {
    let said: Said = desk.command(line).arg0("az").output().unwrap().into();
    assert_eq!((said.code, said.stderr.as_str()), (Some(0), ""), "az {line}");
    said.stdout
}

#[test]
fn a_token_in_every_format() {
    let (_issuer, desk) = ada();
    let token = desk.json("account get-access-token");
    let text = |name: &str| token[name].as_str().unwrap().to_owned();
    let (jwt, until) = (text("accessToken"), text("expiresOn"));
    let seconds = token["expires_on"].as_i64().unwrap();
    let (subscription, tenant) = (text("subscription"), text("tenant"));
    let json = format!(
        "{{\n  \"accessToken\": \"{jwt}\",\n  \"expiresOn\": \"{until}\",\n  \"expires_on\": {seconds},\n  \
         \"subscription\": \"{subscription}\",\n  \"tenant\": \"{tenant}\",\n  \"tokenType\": \"Bearer\"\n}}\n"
    );
    let yaml = format!(
        "accessToken: {jwt}\nexpiresOn: '{until}'\nexpires_on: {seconds}\nsubscription: {subscription}\n\
         tenant: {tenant}\ntokenType: Bearer\n"
    );
    let tsv = format!("{jwt}\t{until}\t{seconds}\t{subscription}\t{tenant}\tBearer\n");
    for (options, wanted) in [
        ("", json.as_str()),
        ("-o json", &json),
        ("-o JSONC", &json),
        ("-o yaml", &yaml),
        ("-o yamlc", &yaml),
        ("-o tsv", &tsv),
        ("-o none", ""),
        ("--query accessToken -o tsv", &format!("{jwt}\n")),
        ("--query expiresOn", &format!("\"{until}\"\n")),
        (
            "--query {t:tokenType,e:expires_on} -o table",
            &format!("T       E\n------  ----------\nBearer  {seconds}\n"),
        ),
        ("--query {t:tokenType,e:expires_on} -o tsv", &format!("Bearer\t{seconds}\n")),
        (
            "--query {t:tokenType,e:expires_on}",
            &format!("{{\n  \"e\": {seconds},\n  \"t\": \"Bearer\"\n}}\n"),
        ),
        ("--query {t:tokenType,e:expires_on} -o yaml", &format!("e: {seconds}\nt: Bearer\n")),
        ("--query [tokenType,expires_on] -o tsv", &format!("Bearer\n{seconds}\n")),
        ("--query [nosuch,tokenType] -o tsv", "None\nBearer\n"),
        ("--query tokenType -o yaml", "Bearer\n...\n"),
        ("--query expires_on -o yaml", &format!("{seconds}\n...\n")),
        ("--query tokenType -o table", "Result\n--------\nBearer\n"),
        ("--query nosuch", ""),
        ("--query nosuch -o table", ""),
        ("--query `[]`", "[]\n"),
        ("--query `[]` -o tsv", ""),
        ("--query `[]` -o table", "\n"),
        ("--query `true` -o tsv", "true\n"),
        (
            "--query join(',',keys(@)) -o tsv",
            "tokenType,accessToken,expires_on,expiresOn,tenant,subscription\n",
        ),
    ] {
        let line = format!("account get-access-token {options}");
        assert_eq!(desk.ok(&line), wanted, "token {line}");
        assert_eq!(az(&desk, &line), wanted, "az {line}");
    }
    let table = az(&desk, "account get-access-token -o table");
    let lines: Vec<&str> = table.lines().collect();
    let titles: Vec<&str> = lines[0].split_whitespace().collect();
    assert_eq!(titles, ["AccessToken", "ExpiresOn", "Expires_on", "Subscription", "Tenant", "TokenType"]);
    assert_eq!(
        lines[2],
        format!("{jwt}  {until}  {seconds}  {:<12}  {subscription}  {tenant}  Bearer", "")
            .replace("              ", "  ")
    );
    assert_eq!(desk.ok("get --query tokenType -o tsv"), "Bearer\n");
    assert_eq!(desk.ok("get -o header"), format!("Authorization: Bearer {jwt}\n"));
}

#[test]
fn a_subscription_and_the_list_of_them() {
    let (_issuer, desk) = ada();
    for line in ["account show", "account list", "account show -o yaml", "account list -o tsv"] {
        assert_eq!(desk.ok(line), az(&desk, line), "{line}");
    }
    insta::assert_snapshot!(az(&desk, "account show -o yaml"), @r"
        environmentName: lab
        homeTenantId: 11111111-1111-1111-1111-111111111111
        id: bbbbbbbb-0000-4000-8000-000000000001
        isDefault: true
        managedByTenants: []
        name: Build
        state: Enabled
        tenantDefaultDomain: contoso.example
        tenantDisplayName: Contoso
        tenantId: 11111111-1111-1111-1111-111111111111
        user:
          name: ada@contoso.example
          type: user
        ");
    insta::assert_snapshot!(az(&desk, "account show -o tsv"), @r"
        lab	11111111-1111-1111-1111-111111111111	bbbbbbbb-0000-4000-8000-000000000001	True	0	Build	Enabled	contoso.example	Contoso	11111111-1111-1111-1111-111111111111
        ");
    insta::assert_snapshot!(az(&desk, "account show -o table"), @r"
        EnvironmentName    HomeTenantId                          IsDefault    Name    State    TenantDefaultDomain    TenantDisplayName    TenantId
        -----------------  ------------------------------------  -----------  ------  -------  ---------------------  -------------------  ------------------------------------
        lab                11111111-1111-1111-1111-111111111111  True         Build   Enabled  contoso.example        Contoso              11111111-1111-1111-1111-111111111111
        ");
    insta::assert_snapshot!(az(&desk, "account show --query [isDefault,managedByTenants,user] -o tsv"), @r"
        true

        ada@contoso.example	user
        ");
    insta::assert_snapshot!(az(&desk, "account list -o table"), @r"
        Name        CloudName    SubscriptionId                        TenantId                              State    IsDefault
        ----------  -----------  ------------------------------------  ------------------------------------  -------  -----------
        Build       lab          bbbbbbbb-0000-4000-8000-000000000001  11111111-1111-1111-1111-111111111111  Enabled  True
        Production  lab          bbbbbbbb-0000-4000-8000-000000000002  11111111-1111-1111-1111-111111111111  Enabled  False
        Lab         lab          bbbbbbbb-0000-4000-8000-000000000003  22222222-2222-2222-2222-222222222222  Enabled  False
        ");
    insta::assert_snapshot!(desk.ok("account list -o table"), @r"
           Name        Subscription ID                       Tenant
        -  ----------  ------------------------------------  --------
        *  Build       bbbbbbbb-0000-4000-8000-000000000001  Contoso
           Production  bbbbbbbb-0000-4000-8000-000000000002  Contoso
           Lab         bbbbbbbb-0000-4000-8000-000000000003  Fabrikam
        ");
    insta::assert_snapshot!(desk.ok("account list -o table --query [].{id:id,Name:name}"), @r"
        Name
        ----------
        Build
        Production
        Lab
        ");
    insta::assert_snapshot!(desk.ok("account list --query [?isDefault].[name,id] -o tsv"), @r"
        Build	bbbbbbbb-0000-4000-8000-000000000001
        ");
    insta::assert_snapshot!(desk.ok("account list --query [0].keys(@) -o tsv"), @r"
        id
        name
        state
        user
        isDefault
        tenantId
        homeTenantId
        tenantDefaultDomain
        tenantDisplayName
        managedByTenants
        cloudName
        ");
    insta::assert_snapshot!(desk.ok("account show --query [user,user] -o yaml"), @r"
        - &id001
          name: ada@contoso.example
          type: user
        - *id001
        ");
}

#[test]
fn a_query_that_cannot_be_meant() {
    let (_issuer, desk) = ada();
    let jwt = desk.ok("get");
    for line in ["account get-access-token --query bad[", "version --query bad[", "account list --query ''x"]
    {
        let said = desk.run(line);
        assert_eq!((said.code, said.stdout.as_str()), (Some(2), ""), "{line}");
    }
    assert_eq!(
        desk.run("account list --query bad[").stderr,
        "error: argument --query: invalid jmespath_type value: 'bad['\nhint: something is missing, at column 5\n"
    );
    let said: Said = desk.command("account list --query bad[").arg0("az").output().unwrap().into();
    assert_eq!(
        (said.code, said.stderr.as_str()),
        (
            Some(2),
            "ERROR: argument --query: invalid jmespath_type value: 'bad['\nTo learn more about --query, please visit: \
             'https://learn.microsoft.com/cli/azure/query-azure-cli'\n"
        )
    );
    let said: Said = desk.command("account list --query nofunc(@)").arg0("az").output().unwrap().into();
    assert_eq!(
        (said.code, said.stderr.as_str()),
        (
            Some(1),
            "ERROR: Invalid jmespath query supplied for `--query`: Unknown function: nofunc()\nTo learn more about \
             --query, please visit: 'https://learn.microsoft.com/cli/azure/query-azure-cli'\n"
        )
    );
    let said = desk.run("account get-access-token --query nofunc(@)");
    assert_eq!((said.code, said.stdout.as_str()), (Some(1), ""));
    assert!(
        said.stderr.contains("Invalid jmespath query supplied for `--query`: Unknown function: nofunc()\n"),
        "{}",
        said.stderr
    );
    let said = desk.run("account get-access-token --query abs(accessToken)");
    assert_eq!(said.code, Some(1));
    assert!(said.stderr.contains("[redacted]") && !said.stderr.contains(jwt.trim_end()), "{}", said.stderr);
    assert_eq!(desk.run("get -o header --query tokenType").code, Some(2));
}

#[test]
fn colours_are_for_terminals() {
    let (_issuer, desk) = ada();
    let shown = |line: &str, set: &[(&str, &str)]| {
        let (ours, theirs) = terminal();
        let mut command = desk.command(line);
        command.envs(set.iter().copied()).stdout(theirs.try_clone().unwrap()).stderr(theirs);
        let mut child = command.spawn().unwrap();
        // The last one that holds the terminal's other side.
        drop(command);
        let mut shown = Vec::new();
        // Linux tells the end of a terminal by an error.
        let end = { ours }.read_to_end(&mut shown);
        assert!(child.wait().unwrap().success(), "{line}: {end:?}");
        String::from_utf8(shown).unwrap().replace("\r\n", "\n")
    };
    let query = "account show --query {n:name,d:isDefault}";
    insta::assert_snapshot!(shown(&format!("{query} -o jsonc"), &[]).replace('\x1b', "^"), @r#"
        {^[37m^[39;49;00m
        ^[37m  ^[39;49;00m^[94m"d"^[39;49;00m:^[37m ^[39;49;00m^[34mtrue^[39;49;00m,^[37m^[39;49;00m
        ^[37m  ^[39;49;00m^[94m"n"^[39;49;00m:^[37m ^[39;49;00m^[33m"Build"^[39;49;00m^[37m^[39;49;00m
        }^[37m^[39;49;00m
        "#);
    insta::assert_snapshot!(shown(&format!("{query} -o yamlc"), &[]).replace('\x1b', "^"), @r"
        ^[94md^[39;49;00m:^[37m ^[39;49;00mtrue^[37m^[39;49;00m
        ^[94mn^[39;49;00m:^[37m ^[39;49;00mBuild^[37m^[39;49;00m
        ");
    let plain = desk.ok(&format!("{query} -o jsonc"));
    assert_eq!(shown(&format!("{query} -o json"), &[]), plain);
    assert_eq!(shown(&format!("{query} -o jsonc"), &[("NO_COLOR", "1")]), plain);
    assert_eq!(shown(&format!("{query} -o jsonc"), &[("AZURE_CORE_NO_COLOR", "true")]), plain);
}

/// A terminal's two sides.
fn terminal() -> (std::fs::File, std::fs::File) {
    let ours = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).unwrap();
    grantpt(&ours).unwrap();
    unlockpt(&ours).unwrap();
    let name = ptsname(&ours, Vec::new()).unwrap();
    let theirs = std::fs::File::options().read(true).write(true).open(name.to_str().unwrap()).unwrap();
    (ours.into(), theirs)
}
