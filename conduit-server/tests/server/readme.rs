use std::process::Command;

use crate::harness::World;

/// The pages whose commands are run, each on its own from the first to the last.
const PAGES: [&str; 2] = ["README.md", "docs/api.md"];

/// A page's blocks of curl commands, each with the statuses that its comments promise.
fn blocks(page: &str) -> Vec<(String, Vec<String>)> {
    let path = format!("{}/../{page}", env!("CARGO_MANIFEST_DIR"));
    let text = std::fs::read_to_string(path).unwrap();
    let blocks = text
        .split("```sh\n")
        .skip(1)
        .filter_map(|rest| rest.split("```").next());
    let blocks = blocks.filter(|block| block.starts_with("curl "));
    blocks
        .map(|block| {
            let promised = block
                .lines()
                .filter_map(|line| line.rsplit_once("# "))
                .map(|(_, comment)| comment);
            let statuses = promised.filter_map(|comment| comment.get(..3)).map(str::to_owned);
            (block.to_owned(), statuses.collect())
        })
        .collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn every_curl_of_the_documentation_does_what_it_says() {
    if Command::new("curl").arg("--version").output().is_err() {
        eprintln!("skipped: there is no curl on this machine");
        return;
    }
    let world = World::new().await;
    let nothing = [("MONGODB_URI", ""), ("MONGODB_DATABASE", ""), ("REDIS_URI", "")];
    let alone = world.start("run").await;
    check(&alone.api.base).await;
    assert!(alone.stop().await.success());
    let (api, worker) = (world.start("api").await, world.start("worker").await);
    check(&api.api.base).await;
    assert!(api.stop().await.success() && worker.stop().await.success());
    let dev = world.start_with("dev", &nothing).await;
    check(&dev.api.base).await;
    assert!(dev.stop().await.success());
}

async fn check(base: &str) {
    let blocks: Vec<(String, Vec<String>)> = PAGES.into_iter().flat_map(blocks).collect();
    let promised: usize = blocks.iter().map(|(_, statuses)| statuses.len()).sum();
    assert!(promised >= 20, "the examples are found: {blocks:?}");
    for (block, statuses) in blocks {
        let block = block.replace("http://127.0.0.1:8080", base);
        let script =
            format!("curl() {{ command curl -o /dev/null -w '%{{http_code}}\\n' \"$@\"; }}\n{block}");
        let output = tokio::task::spawn_blocking(move || Command::new("bash").args(["-c", &script]).output());
        let output = output.await.unwrap().unwrap();
        let got = String::from_utf8(output.stdout).unwrap();
        assert_eq!(got.lines().collect::<Vec<&str>>(), statuses, "{block}");
    }
}
