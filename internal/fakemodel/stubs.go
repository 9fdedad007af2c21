package fakemodel

import "github.com/valyala/fasthttp"

type chatStore struct{}
type restStore struct{}
type agentStore struct{}

func (s *Server) anthropicChat(ctx *fasthttp.RequestCtx)         {}
func (s *Server) restChat(ctx *fasthttp.RequestCtx, stream bool) {}
func (s *Server) agentSocket(ctx *fasthttp.RequestCtx)           {}
func (s *Server) chatSocket(ctx *fasthttp.RequestCtx)            {}
func (s *Server) side(ctx *fasthttp.RequestCtx, path string)     { ctx.SetStatusCode(404) }
