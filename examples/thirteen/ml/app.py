import io

import pandas
from fastapi import FastAPI, HTTPException, Request
from sklearn.linear_model import LinearRegression

app = FastAPI()


@app.post("/fit")
async def fit(request: Request):
    rows = await request.json()
    frame = pandas.DataFrame(rows)
    if set(frame.columns) != {"x", "y"}:
        raise HTTPException(422, "rows of x and y, please")
    model = LinearRegression().fit(frame[["x"]], frame["y"])
    return {"slope": round(float(model.coef_[0]), 6), "at0": round(float(model.intercept_), 6)}


@app.post("/csv")
async def csv(request: Request):
    frame = pandas.read_csv(io.BytesIO(await request.body()))
    return {"columns": list(frame.columns), "table": frame.describe().to_html()}
