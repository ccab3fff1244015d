-- The rule of grid.outcome. The errors that it applies to are in errors_spec.lua,
-- faults_spec.lua and retries_spec.lua.

local outcome = require "grid.outcome"

describe("the outcome of a try", function()
  it("is none where the request was certainly not executed", function()
    assert.equal("none", outcome.of "no")
    for _, status in ipairs { 429, 503 } do assert.equal("none", outcome.of("yes", status)) end
  end)

  it("is final where the service refused the request", function()
    for status = 400, 499 do
      local expected = status == 408 and "unknown" or status == 429 and "none" or "final"
      assert.equal(expected, outcome.of("yes", status), status)
    end
  end)

  it("is unknown for every other answer, and for none", function()
    for status = 500, 599 do
      if status ~= 503 then assert.equal("unknown", outcome.of("yes", status), status) end
    end
    for _, status in ipairs { 0, 100, 101, 103, 200, 201, 204, 206, 299, 300, 301, 303, 304, 308, 399, 600, 999 } do
      assert.equal("unknown", outcome.of("yes", status), status)
    end
    for _, sent in ipairs { "yes", "unknown" } do assert.equal("unknown", outcome.of(sent)) end
  end)

  it("stays unknown after a try with an unknown outcome, unless the service refuses the request now", function()
    for _, last in ipairs { { "no" }, { "yes", 503 }, { "yes", 429 }, { "yes", 500 }, { "yes", 200 }, { "unknown" } } do
      assert.equal("unknown", outcome.of(last[1], last[2], "unknown"))
    end
    assert.equal("final", outcome.of("yes", 401, "unknown"))
  end)

  it("is its own after tries that executed nothing", function()
    for _, earlier in ipairs { "none", "final" } do
      assert.equal("none", outcome.of("no", nil, earlier))
      assert.equal("none", outcome.of("yes", 503, earlier))
      assert.equal("final", outcome.of("yes", 404, earlier))
      assert.equal("unknown", outcome.of("unknown", nil, earlier))
    end
  end)
end)

describe("a success", function()
  it("has a status from 200 to 299", function()
    for _, status in ipairs { 200, 204, 299 } do assert.is_true(outcome.is_success(status)) end
    for _, status in ipairs { 0, 101, 199, 300, 304, 404, 500 } do assert.is_false(outcome.is_success(status)) end
    assert.is_false(outcome.is_success(nil))
  end)
end)
