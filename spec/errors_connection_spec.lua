-- Errors of calls without an answer: name lookup, connection, TLS.

local core = require "grid.core"
local errors = require "grid.errors"
local grid = require "grid"
local rig = require "spec.support.rig"

local assert_error = rig.assert_error

describe("an error", function()
  local server = rig.sandbox()
  local client

  before_each(function() client = rig.client(server) end)

  local function answered(...) return rig.answered(server, client, ...) end

  describe("of the way there:", function()
    local function unreachable(options)
      local other = rig.client(server, options)
      local res, err = other:request("POST", "/anything", {})
      other:close()
      assert.is_nil(res)
      return err
    end

    it("the port is closed", function()
      assert_error(unreachable { base_url = "http://127.0.0.1:1" },
        { kind = "network", code = "connect_failed", sent = "no", retryable = true, attempts = 1 })
    end)

    it("a name that does not exist", function()
      assert_error(unreachable { base_url = "https://no-such-host.invalid", proxy = "", timeout = 3 },
        { sent = "no", retryable = true })
    end)

    it("the peer takes the connection and never speaks TLS", function()
      local port, close = rig.silent_port()
      assert_error(unreachable { base_url = "https://127.0.0.1:" .. port, connect_timeout = 0.2 },
        { kind = "timeout", sent = "no", retryable = true })
      close()
    end)

    it("the client is closed while it connects", function()
      local port, close = rig.silent_port()
      local closing, naps = nil, 0
      local host = { name = "closing", now = core.now, sleep = function()
        naps = naps + 1
        if naps == 3 then closing:close() end
      end }
      closing = grid.new { base_url = "https://127.0.0.1:" .. port, api_key = "k", host = host }
      local _, err = closing:request("POST", "/x", {})
      assert_error(err, { kind = "cancelled", sent = "no", outcome = "none" })
      close()
    end)

    it("the peer speaks no TLS", function()
      assert_error(unreachable { base_url = server.http:gsub("^http:", "https:") }, { kind = "tls", sent = "no" })
    end)

    it("a proxy that is not there", function()
      assert_error(unreachable { base_url = server.https, proxy = "http://127.0.0.1:1" }, { kind = "network", sent = "no" })
    end)

    it("a server that takes the request and never answers", function()
      local port, close = rig.silent_port()
      assert_error(unreachable { base_url = "http://127.0.0.1:" .. port, timeout = 0.2 },
        { kind = "timeout", sent = "unknown", retryable = false })
      close()
    end)
  end)

  it("is told by grid.is_error, with and without a kind", function()
    local err = answered(401, "")
    assert.is_true(grid.is_error(err))
    assert.is_true(grid.is_error(err, "auth"))
    assert.is_false(grid.is_error(err, "api"))
    for _, value in pairs { "text", 7, true, {}, print, io.stdout, { kind = "auth" }, (setmetatable({}, {})) } do
      assert.is_false(grid.is_error(value))
    end
    assert.is_false(grid.is_error(nil))
    assert.is_false(grid.is_error())
  end)

  it("can be made by any part of the library, and knows what is not given", function()
    local err = errors.new { kind = "store", code = "full", message = "no room", cause = errors.new { kind = "network" } }
    assert_error(err, { kind = "store", sent = "no", retryable = false })
    assert.is_true(grid.is_error(err.cause, "network"))
    assert.equal("grid: store error (full): no room", tostring(err))
  end)
end)
