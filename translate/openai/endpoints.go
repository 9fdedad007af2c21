package openai

import "github.com/dragoman-gateway/dragoman/translate"

// Endpoints is the table of the paths beside chat, which pass through to channels of this dialect
// (docs/rules/openai.md 8). It is never changed.
var Endpoints = []translate.Endpoint{
	{Path: "/embeddings", Operation: "embeddings", Usage: counted},
	{Path: "/completions", Operation: "text_completion", Usage: counted, Answer: 16},
	{Path: "/moderations", Operation: "moderation", Usage: counted, Model: "omni-moderation-latest"},
	{Path: "/rerank", Operation: "rerank", Usage: []string{"usage", "meta"}},
	{Path: "/images/generations", Operation: "image_generation", Usage: counted, Images: true, Slow: true},
	{Path: "/images/edits", Operation: "image_edit", Usage: counted, Images: true, Slow: true, Form: true},
	{Path: "/images/variations", Operation: "image_variation", Usage: counted, Images: true, Slow: true, Form: true, OnlyForm: true},
	{Path: "/audio/transcriptions", Operation: "transcription", Usage: counted, Duration: "duration", Text: true, Form: true, OnlyForm: true},
	{Path: "/audio/translations", Operation: "translation", Usage: counted, Duration: "duration", Text: true, Form: true, OnlyForm: true},
	{Path: "/audio/speech", Operation: "text_to_speech", Usage: counted, Live: true},
}

// counted is the member in which nearly all count tokens.
var counted = []string{"usage"}
