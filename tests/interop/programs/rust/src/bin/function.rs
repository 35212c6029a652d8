//! The function that every language has here, for lambda_runtime: it does what its event says.

use lambda_runtime::streaming::{channel, Body};
use lambda_runtime::{
    layers::TracingLayer, service_fn, spawn_graceful_shutdown_handler, tracing, BoxFuture, Error,
    FunctionResponse, LambdaEvent, Runtime, SnapStartResource, StreamResponse,
};
use serde_json::{json, Value};
use std::env;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

type Answer = FunctionResponse<Value, Body>;

#[derive(Debug)]
struct Asked;

impl std::error::Error for Asked {}

impl std::fmt::Display for Asked {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("as asked")
    }
}

/// What runs around a snapshot.
struct Hooks;

impl SnapStartResource for Hooks {
    fn before_snapshot(&self) -> BoxFuture<'_, Result<(), Error>> {
        Box::pin(hook("before snapshot"))
    }

    fn after_restore(&self) -> BoxFuture<'_, Result<(), Error>> {
        Box::pin(hook("after restore"))
    }
}

async fn hook(name: &str) -> Result<(), Error> {
    println!("{name}");
    match env::var("FAIL_HOOK") {
        Ok(failing) if failing == name => Err(format!("{name} failed").into()),
        _ => Ok(()),
    }
}

/// The first half, and the second when the test has opened the gate, a FIFO.
fn halves(event: Value) -> Answer {
    let (mut sender, body) = channel();
    tokio::spawn(async move {
        let gate = event["gate"].as_str().unwrap_or_default().to_owned();
        sender.send_data("first, ".into()).await?;
        tokio::fs::read(gate).await?;
        if event["fail"] == true {
            sender.abort();
            return Ok::<(), Error>(());
        }
        sender.send_data("second".into()).await?;
        Ok(())
    });
    FunctionResponse::StreamingResponse(StreamResponse::from(body))
}

async fn handler(event: LambdaEvent<Value>) -> Result<Answer, Error> {
    let LambdaEvent { payload, context } = event;
    let what = payload["do"].as_str().unwrap_or_default().to_owned();
    tracing::info!("to do: {what}");
    let answer = match what.as_str() {
        "echo" => payload,
        "tell" => {
            let left = context.deadline().duration_since(SystemTime::now())?;
            json!({
                "id": context.request_id,
                "arn": context.invoked_function_arn,
                "left": left.as_millis() as u64,
                "trace": context.xray_trace_id,
            })
        }
        "meet" => {
            let gate = payload["gate"].as_str().unwrap_or_default();
            let read = tokio::fs::read_to_string(gate).await?;
            json!({"id": context.request_id, "read": read})
        }
        "fail" => return Err(Box::new(Asked)),
        "panic" => panic!("as asked"),
        "crash" => std::process::exit(7),
        "sleep" => {
            tokio::time::sleep(Duration::from_secs(3600)).await;
            Value::Null
        }
        "grow" => Value::from("x".repeat(payload["size"].as_u64().unwrap_or_default() as usize)),
        "stream" => return Ok(halves(payload)),
        other => return Err(other.into()),
    };
    Ok(FunctionResponse::BufferedResponse(answer))
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    if env::var_os("FAIL_INIT").is_some() {
        return Err("no init today".into());
    }
    tracing::init_default_subscriber();
    spawn_graceful_shutdown_handler(|| async { println!("asked to end") }).await;
    let runtime = Runtime::new(service_fn(handler))
        .layer(TracingLayer::new())
        .register_snapstart_resource(Arc::new(Hooks));
    if env::var_os("AWS_LAMBDA_MAX_CONCURRENCY").is_some() {
        return runtime.run_concurrent().await;
    }
    runtime.run().await
}
