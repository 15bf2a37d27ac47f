//! Tokens, and people who sign in with one.

use serde_json::json;

use crate::harness::{Api, Server, World, header};

const TOKENS: [(&str, &str); 2] = [
    ("CONDUIT_API_TOKEN", "admin-token-42"),
    ("CONDUIT_API_READ_TOKEN", "reader-token-42"),
];

/// Signs in and returns the cookie.
async fn sign_in(api: &Api, token: &str, next: &str) -> (String, String) {
    let form = ("content-type", "application/x-www-form-urlencoded");
    let body = format!("token={token}&next={next}");
    let (status, headers, text) = api.send("POST", "/sign-in", &[form], &body).await;
    assert_eq!(status.as_u16(), 303, "{text}");
    let cookie = header(&headers, "set-cookie");
    for part in ["HttpOnly", "SameSite=Strict", "Path=/"] {
        assert!(cookie.contains(part), "{cookie}");
    }
    assert!(!cookie.contains(token) && !cookie.contains("Secure"), "{cookie}");
    let cookie = cookie.split(';').next().unwrap().to_owned();
    (cookie, header(&headers, "location"))
}

#[tokio::test(flavor = "multi_thread")]
async fn with_a_token_set_everything_but_the_probes_asks_for_it() {
    let world = World::new().await;
    let server = world.start_with("run", &TOKENS).await;
    let api = &server.api;
    let admin = api.with_token("admin-token-42");
    let document = admin.get("/openapi.json").await;
    let mut paths: Vec<(String, String)> = Vec::new();
    for (path, methods) in document["paths"].as_object().unwrap() {
        for method in methods.as_object().unwrap().keys() {
            paths.push((method.to_uppercase(), path.replace("{name}", "c")));
        }
    }
    assert!(paths.len() > 20, "{paths:?}");
    for path in [
        "/nothing",
        "/assets/docs.css",
        "/assets/odd.js",
        "/health/",
        "/sign-out",
        "/api/collections/a%ff",
    ] {
        paths.extend(["GET", "POST"].map(|method| (method.to_owned(), path.to_owned())));
    }
    for (method, path) in paths {
        let is_open = matches!(path.as_str(), "/health" | "/ready");
        let wanted = if is_open { 200 } else { 401 };
        for wrong in [
            None,
            Some("Bearer wrong"),
            Some("Bearer "),
            Some("Basic YWRtaW4tdG9rZW4tNDI="),
            Some("admin-token-42"),
        ] {
            let headers: Vec<(&str, &str)> = wrong.iter().map(|value| ("authorization", *value)).collect();
            let (status, headers, text) = api.send(&method, &path, &headers, "").await;
            assert_eq!(status.as_u16(), wanted, "{method} {path} {wrong:?}: {text}");
            if wanted == 401 {
                assert_eq!(header(&headers, "www-authenticate"), "Bearer", "{method} {path}");
            }
        }
    }
    let log = server.log();
    assert!(!log.contains("token-42"), "{log}");
    server.kill().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_read_token_changes_nothing() {
    let world = World::new().await;
    let server = world.start_with("run", &TOKENS).await;
    let admin = server.api.with_token("admin-token-42");
    admin
        .create(json!({"collection_name": "c", "deletion_protection": false}))
        .await;
    let before = admin.get("/api/collections").await;
    let document = admin.get("/openapi.json").await;
    let reader = server.api.with_token("reader-token-42");
    let (cookie, _) = sign_in(&server.api, "reader-token-42", "/").await;
    for (path, methods) in document["paths"].as_object().unwrap() {
        for method in methods
            .as_object()
            .unwrap()
            .keys()
            .filter(|method| *method != "get")
        {
            let (method, path) = (method.to_uppercase(), path.replace("{name}", "c"));
            let wanted = if path == "/api/filters/test" { 400 } else { 403 };
            let (status, _, text) = reader.send(&method, &path, &[], "{}").await;
            assert_eq!(status.as_u16(), wanted, "{method} {path}: {text}");
            let session = [("cookie", cookie.as_str()), ("sec-fetch-site", "same-origin")];
            let (status, _, text) = server.api.send(&method, &path, &session, "{}").await;
            assert_eq!(status.as_u16(), wanted, "{method} {path} by cookie: {text}");
        }
    }
    assert_eq!(reader.get("/api/collections").await, before);
    server.kill().await;
}

async fn write(server: &Server, headers: &[(&str, &str)]) -> u16 {
    let headers = [&[("content-type", "application/json")], headers].concat();
    let sent = server.api.send(
        "PATCH",
        "/api/collections/c",
        &headers,
        r#"{"ttl_attribute": "t"}"#,
    );
    sent.await.0.as_u16()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_session_is_as_good_as_its_token_but_not_for_the_pages_of_others() {
    let world = World::new().await;
    let server = world.start_with("run", &TOKENS).await;
    let api = &server.api;
    api.with_token("admin-token-42")
        .create(json!({"collection_name": "c"}))
        .await;
    // GIVEN a browser that came for a page, and was asked to sign in
    for path in ["/", "/docs"] {
        let (status, headers, html) = api.send("GET", path, &[], "").await;
        assert_eq!(status.as_u16(), 401);
        assert!(header(&headers, "content-type").starts_with("text/html"));
        assert!(html.contains("action=\"/sign-in\"") && html.contains(&format!("value=\"{path}\"")));
        let policy = header(&headers, "content-security-policy");
        assert!(
            policy.contains("default-src 'none'") && policy.contains("style-src 'sha256-"),
            "{policy}"
        );
        assert!(
            !html.contains("src=") && !html.contains("href="),
            "it loads nothing"
        );
    }
    // WHEN a wrong token is sent THEN it is asked again
    let form = ("content-type", "application/x-www-form-urlencoded");
    let (status, headers, html) = api
        .send("POST", "/sign-in", &[form], "token=%3Cwrong%3E&next=/docs")
        .await;
    assert_eq!(
        (status.as_u16(), header(&headers, "set-cookie").as_str()),
        (401, "")
    );
    assert!(
        html.contains("role=\"alert\"") && !html.contains("wrong>"),
        "{html}"
    );
    // WHEN the token is sent THEN it is brought back to where it came from, never elsewhere
    let (cookie, location) = sign_in(api, "admin-token-42", "/docs").await;
    assert_eq!(location, "/docs");
    let (_, location) = sign_in(api, "admin-token-42", "//evil.example/").await;
    assert_eq!(location, "/");
    let (_, headers, _) = api
        .send(
            "POST",
            "/sign-in",
            &[form, ("x-forwarded-proto", "https")],
            "token=admin-token-42",
        )
        .await;
    assert!(header(&headers, "set-cookie").contains("Secure"));
    // AND reads everything
    let session = ("cookie", cookie.as_str());
    for path in [
        "/api/collections",
        "/metrics",
        "/openapi.json",
        "/docs",
        "/assets/docs.css",
    ] {
        let (status, _, text) = api.send("GET", path, &[session], "").await;
        assert_eq!(status.as_u16(), 200, "{path}: {text}");
    }
    // AND writes from a page of ours, and for what is no browser, but not from another page.
    let host = api.base.trim_start_matches("http://").to_owned();
    let own = format!("http://{host}");
    assert_eq!(
        write(&server, &[session, ("sec-fetch-site", "same-origin")]).await,
        200
    );
    assert_eq!(
        write(&server, &[session, ("host", &host), ("origin", &own)]).await,
        200
    );
    assert_eq!(write(&server, &[session]).await, 200);
    assert_eq!(
        write(&server, &[session, ("sec-fetch-site", "cross-site")]).await,
        403
    );
    assert_eq!(
        write(&server, &[session, ("origin", "http://evil.example")]).await,
        403
    );
    // A token is not sent by a browser of itself.
    let token = ("authorization", "Bearer admin-token-42");
    assert_eq!(
        write(&server, &[token, ("origin", "http://evil.example")]).await,
        200
    );
    // A session that was changed is none.
    let forged = format!("{cookie}0");
    assert_eq!(
        write(&server, &[("cookie", &forged), ("sec-fetch-site", "same-origin")]).await,
        401
    );
    let (status, headers, _) = api
        .send(
            "POST",
            "/sign-out",
            &[session, ("sec-fetch-site", "same-origin")],
            "",
        )
        .await;
    assert_eq!(status.as_u16(), 303);
    assert!(header(&headers, "set-cookie").contains("Max-Age=0"));
    let log = server.log();
    assert!(!log.contains("token-42") && !log.contains(&cookie), "{log}");
    assert!(log.contains("session"), "the audit line says how: {log}");
    server.kill().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn without_tokens_a_page_of_another_origin_changes_nothing_either() {
    let world = World::new().await;
    let server = world.start("run").await;
    server.api.create(json!({"collection_name": "c"})).await;
    assert_eq!(write(&server, &[]).await, 200);
    assert_eq!(write(&server, &[("sec-fetch-site", "cross-site")]).await, 403);
    assert_eq!(write(&server, &[("origin", "http://evil.example")]).await, 403);
    // Nor does one that has its own name point here, which could read as well.
    assert_eq!(write(&server, &[("host", "evil.example")]).await, 403);
    let (status, ..) = server
        .api
        .send("GET", "/api/collections", &[("host", "evil.example:80")], "")
        .await;
    assert_eq!(status.as_u16(), 403);
    let (status, headers, html) = server.api.send("GET", "/docs", &[], "").await;
    assert_eq!(status.as_u16(), 200);
    let policy = header(&headers, "content-security-policy");
    assert!(
        policy.contains("default-src 'none'") && !policy.contains("unsafe"),
        "{policy}"
    );
    assert!(!html.contains("<script") && !html.contains("<style") && !html.contains("style="));
    assert!(
        !html.contains("http://") || !html.contains("src=\"http"),
        "nothing comes from elsewhere"
    );
    server.kill().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_metrics_of_a_worker_ask_for_a_token_too() {
    let world = World::new().await;
    let worker = world.start_with("worker", &TOKENS).await;
    for (path, wanted) in [("/health", 200), ("/metrics", 401), ("/nothing", 401)] {
        let (status, ..) = worker.api.send("GET", path, &[], "").await;
        assert_eq!(status.as_u16(), wanted, "{path}");
    }
    let token = ("authorization", "Bearer reader-token-42");
    let (status, ..) = worker.api.send("GET", "/metrics", &[token], "").await;
    assert_eq!(status.as_u16(), 200);
    worker.kill().await;
}
