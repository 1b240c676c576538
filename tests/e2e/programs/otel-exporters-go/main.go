// Sends model calls with OpenTelemetry's own exporters, a batch at a time, each until it is acknowledged.
//
//	otel-exporters-go CALLS BATCH_SIZE [once] [no-retry]
//
// Call number n has 100 + n input and 10 + n output tokens, n from 0. After each acknowledgement it prints how many calls
// are acknowledged by now; with "once", a batch that the exporter gave up is told and not sent again, and with "no-retry"
// the exporter itself repeats nothing. Endpoint, protocol and compression are read from the environment, as the exporters
// do it.
package main

import (
	"context"
	"fmt"
	"os"
	"slices"
	"strconv"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/exporters/otlp/otlptrace"
	"go.opentelemetry.io/otel/exporters/otlp/otlptrace/otlptracegrpc"
	"go.opentelemetry.io/otel/exporters/otlp/otlptrace/otlptracehttp"
	"go.opentelemetry.io/otel/sdk/resource"
	"go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"
	api "go.opentelemetry.io/otel/trace"
)

func exporter(ctx context.Context) (*otlptrace.Exporter, error) {
	if os.Getenv("OTEL_EXPORTER_OTLP_PROTOCOL") == "grpc" {
		if slices.Contains(os.Args, "no-retry") {
			return otlptracegrpc.New(ctx, otlptracegrpc.WithRetry(otlptracegrpc.RetryConfig{Enabled: false}))
		}
		return otlptracegrpc.New(ctx)
	}
	if slices.Contains(os.Args, "no-retry") {
		return otlptracehttp.New(ctx, otlptracehttp.WithRetry(otlptracehttp.RetryConfig{Enabled: false}))
	}
	return otlptracehttp.New(ctx)
}

func calls(ctx context.Context, count int) []trace.ReadOnlySpan {
	made := tracetest.NewInMemoryExporter()
	provider := trace.NewTracerProvider(
		trace.WithSyncer(made),
		trace.WithResource(resource.NewSchemaless(attribute.String("service.name", "otel-exporters"))),
	)
	tracer := provider.Tracer("e2e")
	for number := range count {
		_, span := tracer.Start(ctx, "chat gpt-4.1-mini", api.WithSpanKind(api.SpanKindClient), api.WithAttributes(
			attribute.String("gen_ai.operation.name", "chat"),
			attribute.String("gen_ai.provider.name", "openai"),
			attribute.String("gen_ai.request.model", "gpt-4.1-mini"),
			attribute.String("gen_ai.response.model", "gpt-4.1-mini-2025-04-14"),
			attribute.String("gen_ai.response.id", fmt.Sprintf("chatcmpl-%d", number)),
			attribute.Int("gen_ai.usage.input_tokens", 100+number),
			attribute.Int("gen_ai.usage.output_tokens", 10+number),
			attribute.String("gen_ai.conversation.id", "session-exporters"),
		))
		span.End()
	}
	return made.GetSpans().Snapshots()
}

func main() {
	count, _ := strconv.Atoi(os.Args[1])
	size, _ := strconv.Atoi(os.Args[2])
	once := slices.Contains(os.Args, "once")
	ctx := context.Background()
	sender, err := exporter(ctx)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	spans := calls(ctx, count)
	for start := 0; start < count; start += size {
		end := min(start+size, count)
		err := sender.ExportSpans(ctx, spans[start:end])
		for err != nil && !once {
			fmt.Fprintf(os.Stderr, "not acknowledged: %d to %d\n", start, end)
			err = sender.ExportSpans(ctx, spans[start:end])
		}
		if err != nil {
			fmt.Println("given up")
		} else {
			fmt.Println(end)
		}
	}
	if err := sender.Shutdown(ctx); err != nil {
		os.Exit(1)
	}
}
