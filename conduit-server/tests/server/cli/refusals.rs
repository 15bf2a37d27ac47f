use serde_json::json;
use tempfile::TempDir;

use super::program::Cli;
use super::stub::Stub;
use crate::harness::World;

#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_token_is_told_with_the_cure_and_never_shown() {
    let world = World::new().await;
    let tokens = [
        ("CONDUIT_API_TOKEN", "the-admin-token"),
        ("CONDUIT_API_READ_TOKEN", "the-read-token"),
        ("HOST", "127.0.0.1"),
    ];
    let server = world.start_with("run", &tokens).await;
    let cli = || Cli::of(&server, world.folder.path());
    let run = cli().run(&["status"]).await;
    let url = &server.api.base;
    let wanted = format!(
        "conduit: send `Authorization: Bearer <token>`\n  at: GET {url}/api/status (401 unauthorized)\n  \
         try: set CONDUIT_API_TOKEN, or name the file that holds the token with --token-file\n"
    );
    assert_eq!((run.code, run.err), (1, wanted));
    let run = cli()
        .with("CONDUIT_API_TOKEN", "a-wrong-token")
        .run(&["status"])
        .await;
    assert_eq!(run.code, 1);
    assert!(!run.err.contains("a-wrong-token"), "{}", run.err);

    cli()
        .with("CONDUIT_API_TOKEN", "the-admin-token")
        .out(&["status"])
        .await;
    let reader = cli().with("CONDUIT_API_TOKEN", "the-read-token");
    reader.out(&["collections", "list"]).await;
    reader.write("users.yaml", "collections: [{collection_name: users}]");
    let run = reader.run(&["apply", "-f", "users.yaml", "--dry-run"]).await;
    assert_eq!(run.code, 1);
    assert!(run.err.contains("try: use the admin token"), "{}", run.err);
    // A file comes before the environment.
    reader.write("token", "the-admin-token\n");
    reader
        .out(&["apply", "-f", "users.yaml", "--yes", "--token-file", "token"])
        .await;
    let run = reader.run(&["status", "--token-file", "nowhere"]).await;
    assert_eq!(run.code, 2);
    assert!(
        run.err.contains("the token file cannot be read") && run.err.contains("at: nowhere"),
        "{}",
        run.err
    );
    server.kill().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_asked_for_wrongly_says_where_and_what_to_do() {
    let folder = TempDir::new().unwrap();
    let cli = Cli::at("http://127.0.0.1:1", folder.path());
    let run = cli.run(&["status"]).await;
    assert_eq!(run.code, 1);
    let wanted = "\n  at: GET http://127.0.0.1:1/api/status\n  try: is the server running (`conduit-server dev`), and is --url or \
                  CONDUIT_URL right?\n";
    assert!(
        run.err.starts_with("conduit: the server cannot be reached: ") && run.err.ends_with(wanted),
        "{}",
        run.err
    );
    let run = cli.run(&["status", "--url", "http://me:a-password@h/"]).await;
    assert_eq!(run.code, 2);
    assert!(
        run.err.contains("cannot hold user info") && !run.err.contains("a-password"),
        "{}",
        run.err
    );

    cli.write(
        "bad.yaml",
        "collections:\n  - collection_name: orders\n    stream_enabled: [true\n",
    );
    let run = cli.run(&["apply", "-f", "bad.yaml"]).await;
    assert_eq!(run.code, 2);
    assert!(
        run.err.contains("this is no YAML") && run.err.contains("at: bad.yaml, line "),
        "{}",
        run.err
    );
    let run = cli.run(&["apply", "-f", "nowhere.yaml"]).await;
    assert_eq!(run.code, 2);
    assert!(
        run.err.contains("the file cannot be read") && run.err.contains("at: nowhere.yaml"),
        "{}",
        run.err
    );
    for args in [
        &["apply"][..],
        &["status", "--token", "t"],
        &["odd"],
        &["filter", "test", "--record", "{}"],
    ] {
        assert_eq!(cli.run(args).await.code, 2, "{args:?}");
    }
    let help = cli.out(&["--help"]).await;
    assert!(help.contains("Exit codes: 0 done; 1 failed"), "{help}");
    for shell in ["bash", "zsh", "fish"] {
        assert!(
            cli.out(&["completions", shell]).await.contains("redrive"),
            "{shell}"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn another_server_at_the_url_is_told_from_conduit() {
    let stub = Stub::start().await;
    let folder = TempDir::new().unwrap();
    let cli = Cli::at(&stub.url(), folder.path());
    for (status, answer) in [(200, "<html>"), (502, "<html>"), (200, "{\"some\": \"thing\"}")] {
        let (run, ()) = tokio::join!(cli.run(&["status"]), async {
            stub.asked().await.answer(status, answer).await;
        });
        assert_eq!(run.code, 1);
        assert!(
            run.err
                .starts_with("conduit: the answer is not what Conduit answers: "),
            "{}",
            run.err
        );
    }
    // What a server says cannot steer the terminal.
    let problem = json!({"status": 500, "code": "odd", "detail": "\u{1b}[2J\u{7}"});
    let (run, ()) = tokio::join!(cli.run(&["status"]), async {
        stub.asked().await.answer(500, &problem.to_string()).await;
    });
    assert!(run.err.starts_with("conduit: \\u{1b}[2J\\u{7}\n"), "{}", run.err);
}
