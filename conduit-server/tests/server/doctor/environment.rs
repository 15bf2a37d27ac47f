use super::examined::{Examined, run};
use crate::harness::World;

#[tokio::test(flavor = "multi_thread")]
async fn a_missing_variable_is_named_with_what_to_set() {
    let world = World::new().await;
    for name in ["MONGODB_DATABASE", "REDIS_URI"] {
        let examined = Examined::of(&world, &[(name, "")]).await;
        examined.expect("environment", "failed", &format!("export {name}="));
        let expected = format!("Required environment variable {name} is not set");
        assert_eq!(examined.check("environment")["found"], expected);
    }
    // Without MongoDB's nothing is known but that a server might be asked, and there is none.
    let (code, text) = run(&[("CONDUIT_URL", "http://127.0.0.1:1")], &[]).await;
    assert_eq!(code, 1, "{text}");
    assert!(
        text.contains("✗ failed   environment  MONGODB_URI is not set here"),
        "{text}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn an_address_that_everybody_reaches_needs_a_token() {
    let world = World::new().await;
    let open = ("HOST", "0.0.0.0");
    let examined = Examined::of(&world, &[open]).await;
    examined.expect(
        "environment",
        "failed",
        "Set CONDUIT_API_TOKEN to what this prints: openssl rand -hex 32",
    );
    // The rest is examined all the same.
    assert_eq!(examined.check("mongodb replica set")["verdict"], "ok");
    let examined = Examined::of(&world, &[open, ("CONDUIT_ALLOW_ANONYMOUS", "1")]).await;
    examined.expect("access", "warning", "Unset CONDUIT_ALLOW_ANONYMOUS");
}
