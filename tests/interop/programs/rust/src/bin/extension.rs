//! An extension on lambda-extension: prints each event, and all telemetry that it is sent.

use lambda_extension::{
    service_fn, Error, Extension, LambdaEvent, LambdaTelemetry, LogBuffering, NextEvent,
    SharedService,
};
use serde_json::Value;
use std::env;

async fn event(event: LambdaEvent) -> Result<(), Error> {
    match event.next {
        NextEvent::Invoke(invoke) => {
            println!("INVOKE {}", invoke.request_id);
            if env::var("FAIL").is_ok_and(|what| what == "INVOKE") {
                return Err("Extension.Asked".into());
            }
        }
        NextEvent::Shutdown(shutdown) => println!("SHUTDOWN {}", shutdown.shutdown_reason),
    }
    Ok(())
}

async fn telemetry(batch: Vec<LambdaTelemetry>) -> Result<(), Error> {
    for one in batch {
        let told: Value = serde_json::to_value(&one)?;
        println!("{} {}", told["type"].as_str().unwrap_or_default(), told["record"]);
    }
    Ok(())
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    let port = env::var("PORT")?.parse()?;
    Extension::new()
        .with_extension_name("rust-extension")
        .with_events_processor(service_fn(event))
        .with_telemetry_types(&["platform", "function"])
        .with_telemetry_buffering(LogBuffering { timeout_ms: 25, ..Default::default() })
        .with_telemetry_port_number(port)
        .with_telemetry_processor(SharedService::new(service_fn(telemetry)))
        .run()
        .await
}
