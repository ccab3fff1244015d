-- client:refresh_sessions with handlers: each result is passed on at once, and a request
-- may be made by a function when it is due.

local rig = require "spec.support.rig"

describe("client:refresh_sessions, one by one,", function()
  local server = rig.sandbox()
  local client, sessions

  before_each(function() client, sessions = rig.client(server), server:sessions { count = 5 } end)

  local function request(i)
    return { encryption_public_key = rig.KEY, kms_payload = sessions[i].kms_payload_json }
  end

  local function requests()
    local list = {}
    for i = 1, #sessions do list[i] = request(i) end
    return list
  end

  it("gives each call the whole timeout, however long the making of the others took", function()
    local makers, host, _, pass = {}, rig.virtual_host()
    for i = 1, 4 do
      makers[i] = function()
        pass(4)
        return rig.request(server)
      end
    end
    local slow = rig.client(server, { timeout = 5, host = host })
    for i, result in ipairs(slow:refresh_sessions(makers)) do assert.is_truthy(result[1], i .. ": " .. tostring(result[2])) end
    slow:close()
  end)

  it("hands over each result before the next calls are over", function()
    local seen = {}
    local results = client:refresh_sessions(requests(), { concurrency = 1, on_result = function(position, res, err)
      seen[#seen + 1] = { position, res, err, server:stats().requests }
    end })
    for i = 1, 5 do assert.same({ i, results[i][1], nil, i }, seen[i]) end
  end)

  it("hands over errors too, and those of requests that cannot be sent", function()
    server:fault { kind = "status", status = 400, session = sessions[2].refresh_token }
    local list, seen = requests(), {}
    list[4].kms_payload = "no JSON"
    client:refresh_sessions(list, { on_result = function(position, res, err) seen[position] = res and "fine" or err.kind end })
    assert.same({ "fine", "api", "fine", "request", "fine" }, seen)
  end)

  it("loses no answer to a handler that throws, and tells what it threw", function()
    local results = client:refresh_sessions(requests(), { on_result = function(position)
      if position % 2 == 0 then error({ at = position }) end
    end })
    for i = 1, 5 do
      assert.is_string(results[i][1].kms_payload_json)
      assert.same(i % 2 == 0 and { at = i } or nil, results[i].problem)
    end
  end)

  it("makes a request when its turn comes, and no sooner", function()
    local list, made, over = {}, 0, 0
    for i = 1, 5 do
      list[i] = function()
        made = made + 1
        assert(made - over <= 2)
        return request(i)
      end
    end
    local results = client:refresh_sessions(list, { concurrency = 2, on_result = function() over = over + 1 end })
    for i = 1, 5 do assert.is_table(results[i][1], tostring(results[i][2])) end
    assert.equal(5, made)
  end)

  it("takes the reason why there is no request for its result, and goes on", function()
    local list = requests()
    list[1] = function() return nil, "not today" end
    list[2] = function() error("broken", 0) end
    list[3] = function() return { kms_payload = "{}" } end
    list[4] = function() return nil end
    local results = client:refresh_sessions(list)
    assert.same({ nil, "not today" }, results[1])
    assert.same({ nil, "broken" }, results[2])
    assert.matches("request 3: field 'encryption_public_key' is missing", results[3][2])
    rig.assert_error(results[4][2], { kind = "request", code = "no_request", attempts = 0 })
    assert.is_table(results[5][1])
    assert.equal(1, server:stats().executions)
  end)

  it("takes no other values for handlers", function()
    rig.assert_misuse(function() client:refresh_sessions({}, { on_result = true }) end, "'on_result' must be")
  end)
end)
