use std::time::Duration;

use process::mask::{Secrets, mask_all};
use process::{Spec, run};

/// What a program says about the secret, masked.
async fn masked(secret: &str, script: &str) -> Option<String> {
    let spec = Spec::new("sh")
        .args(["-c", script])
        .pass(["PATH"])
        .variable("SECRET", secret);
    let output = run(spec, b"", Duration::from_secs(20), 1 << 20).await.unwrap();
    // 127: the program is not installed here.
    if output.ending == process::Ending::Code(127) {
        return None;
    }
    assert!(output.is_success(), "{script}: {}", output.complaint());
    let all = [output.stdout, output.stderr].concat();
    Some(String::from_utf8_lossy(&mask_all(&Secrets::new([secret]), &all)).into_owned())
}

#[tokio::test]
async fn what_real_programs_make_of_a_secret_is_masked() {
    let secret = "p@ss w0rd/\"quoted\" 'n $HOME & `x` <é>\\!";
    for script in [
        r#"printf %s "$SECRET""#,
        r#"printf %s "$SECRET" | base64 -w0"#,
        r#"echo "$SECRET" | base64 -w0"#,
        r#"printf %s "$SECRET" | od -An -v -tx1 | tr -d ' \n'"#,
        r#"set -x; : "$SECRET""#,
        r#"bash -c 'printf %q "$SECRET"'"#,
        r#"bash -c 'set -x; : "$SECRET"'"#,
        r#"python3 -c 'import os,json; print(json.dumps(os.environ["SECRET"]))'"#,
        r#"python3 -c 'import os,json; print(json.dumps(os.environ["SECRET"], ensure_ascii=False))'"#,
        r#"python3 -c 'import os,urllib.parse as u; print(u.quote(os.environ["SECRET"]))'"#,
        r#"python3 -c 'import os,urllib.parse as u; print(u.quote_plus(os.environ["SECRET"]))'"#,
        r#"python3 -c 'import os,urllib.parse as u; print(u.quote(os.environ["SECRET"], safe=""))'"#,
        r#"python3 -c 'import os,shlex; print(shlex.quote(os.environ["SECRET"]))'"#,
        r#"python3 -c 'import os,base64; print(base64.urlsafe_b64encode(os.environ["SECRET"].encode()).decode())'"#,
    ] {
        let Some(out) = masked(secret, script).await else {
            continue;
        };
        let rest: String = out.replace("***", "");
        // What may be left: quotes, the text around, and digits that the secret shares with neighbours.
        let words = ["set", "-x", "bash", "SECRET", "printf"];
        let left: String = words.iter().fold(rest, |rest, word| rest.replace(word, ""));
        let telling = left.chars().filter(|c| c.is_alphanumeric()).count();
        assert!(out.contains("***") && telling <= 2, "{script} left {out:?}");
    }
}

#[tokio::test]
async fn a_long_secret_is_masked_where_base64_wraps_its_lines() {
    let secret: String = (0..40).map(|n| format!("{n:x}Kq{n}")).collect();
    for script in [
        r#"printf %s "$SECRET" | base64"#,
        r#"echo "$SECRET" | base64"#,
        r#"echo "$SECRET" | base64 -w64"#,
    ] {
        let out = masked(&secret, script).await.unwrap();
        assert_eq!(out.trim_end(), "***", "{script}");
    }
}
